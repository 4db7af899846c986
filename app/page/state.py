"""State of one session: the spectrum asked for, the star shown, what is looked at; no widgets, no event loop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import param

from cinn_core.errors import SpectrumError
from cinn_core.inference.constraints import Constraint
from cinn_core.inference.quantities import Quantity
from cinn_core.inference.selection import (
    NO_CORRECTIONS,
    Corrections,
    PosteriorKind,
    Selection,
    selected_quantities,
    selection_of,
)
from cinn_core.lines import line_windows
from cinn_core.overrides import NOTHING_GIVEN, Overrides
from cinn_core.readers import Choice
from cinn_core.stages import Analysis, Answer
from cinn_core.targets import TARGET_NAMES

from .visit import Change, History, Request, Settings, Source, Star

MIN_SAMPLES, MAX_SAMPLES = 512, 65_536
MAX_STARS = 100
"""Stars that a session keeps, some 5 MB each."""


@dataclass(frozen=True)
class Draft:
    """What stands in the boxes of the verdict, and the identity of the star that it was typed for."""

    star: str = ""
    reason: str = ""
    comment: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """A file that holds several spectra, or arrays whose names do not tell what they are, and the choice that only a person can make."""

    source: Source
    choices: tuple[Choice, ...] = ()
    names: tuple[str, ...] = ()
    sketches: tuple[str, ...] = ()
    """A small drawing (SVG) of each of the names, or none."""


class SessionState(param.Parameterized):
    """One session's inputs, stages, status and message; every change of star goes through begin, then finish or refuse."""

    source = param.ClassSelector(class_=Source, doc="The spectrum asked for last.")
    settings = param.ClassSelector(
        class_=Settings, default=Settings(), doc="Samples, seed and device of the next analysis."
    )
    overrides = param.ClassSelector(
        class_=Overrides, default=NOTHING_GIVEN, doc="What the person knows better than the file."
    )
    analysis = param.ClassSelector(class_=Analysis, doc="The stages of the star on the page.")
    selection = param.ClassSelector(class_=Selection, doc="The selected posterior; there whenever a star is.")
    kind = param.ClassSelector(class_=PosteriorKind, default=PosteriorKind.FLOW, doc="The kind of posterior to select.")
    corrections = param.ClassSelector(
        class_=Corrections, default=NO_CORRECTIONS, doc="Importance weights and bias, where they are known."
    )
    constraints = param.ClassSelector(
        class_=tuple, default=(), doc="Constraints on the star shown, from other sources than its spectrum."
    )
    brush = param.ClassSelector(class_=tuple, default=(), doc="Ranges that a person brushed in the corner.")
    stars = param.ClassSelector(class_=tuple, default=(), doc="The stars of this session, in the order they came.")
    waiting = param.Integer(default=0, doc="Stars that are still to come and will join the list.")
    reviewer = param.String(doc="Who gives the verdicts.")
    login = param.String(doc="Name that the visitor logged in with; empty where the server asks for none.")
    verdicts = param.Integer(default=0, doc="How often a verdict was given or taken back in this session.")
    given = param.ClassSelector(class_=tuple, default=(), doc="The verdicts given in this session, the newest last.")
    draft = param.ClassSelector(class_=Draft, default=Draft(), doc="Reason and comment of the next verdict.")
    change = param.Integer(default=0, doc="Counts the changes of the star on the page.")
    answer = param.ClassSelector(
        class_=Answer, doc="Numbers of the star asked for last, before its figures; else None."
    )
    numbers = param.String(doc="Hash of the file whose numbers stand in header and tiles; empty while they change.")
    drawn = param.String(doc="Identity of the star that all of the page shows; empty while it changes.")
    history = param.ClassSelector(
        class_=History, default=History(), doc="What was changed of the stars by hand, to undo and redo."
    )
    pins = param.ClassSelector(class_=tuple, default=(), doc="The reader's own list of lines, for every star.")
    question = param.ClassSelector(
        class_=Question, doc="Which of the spectra in a file is meant; None when nothing is open."
    )
    status = param.Selector(default="empty", objects=["empty", "working", "ready"])
    progress = param.String(doc="What the analysis is doing now.")
    stage = param.Integer(default=0, doc="How many stages the analysis has begun.")
    message = param.String(doc="One sentence on what went wrong last; empty when nothing did.")
    complaints = param.ClassSelector(
        class_=tuple, default=(), doc="One sentence for each file of the last drops that could not be used."
    )
    target = param.Selector(default="li_fe", objects=list(TARGET_NAMES), doc="The target whose saliency is shown.")
    line = param.Selector(
        default="Li I 6707.8", objects=[w.name for w in line_windows()], doc="The diagnostic line looked at."
    )
    compare_lte = param.Boolean(
        default=False, doc="Whether the lines are drawn in LTE too, where the model is in NLTE."
    )
    look_at = param.Number(default=None, doc="Air wavelength [Angstrom] that the spectrum is to zoom on.")
    tab = param.String(default="overview", doc="Slug of the tab that is shown.")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self._request = self._numbers = 0
        self._running: dict[int, Request] = {}
        self._queued = 0
        self._shown: Request | None = None
        self._forget = self._replaying = False
        self.param.watch(self._select, ["kind", "constraints", "brush", "corrections"])
        self.param.watch(lambda _event: self.param.update(message=""), ["tab", "constraints"])

    def load(self, source: Source) -> None:
        """Ask for a spectrum; nothing is computed yet. Overrides given for another file are forgotten."""
        self._forget = True
        self.param.update(source=source, overrides=NOTHING_GIVEN)

    def begin(self) -> int:
        """Begin a new request and return its number; its star is the one to be shown.

        Earlier requests for other spectra go on and end in the list; one for the same spectrum is superseded.
        """
        request = self.request
        if request is None:
            raise SpectrumError("No spectrum is loaded; drop a file or choose an example first.")
        self._running = {n: earlier for n, earlier in self._running.items() if earlier.source != request.source}
        number = self._add(request)
        self._request = number
        self._forget_answer()
        self.param.update(status="working", progress=f"reading {request.source.name}", stage=0, message="")
        self._count()
        return number

    def begin_behind(self, request: Request) -> int:
        """Begin a request whose star joins the list without being shown, and return its number."""
        number = self._add(request)
        self._count()
        return number

    @property
    def request(self) -> Request | None:
        """Request for the present source, settings and overrides; None without a source."""
        return None if self.source is None else Request(self.source, self.settings, self.overrides)

    @property
    def latest(self) -> int:
        """Number of what was asked to be shown last; it changes when a person turns to something else."""
        return self._request

    def is_current(self, request: int) -> bool:
        """True while nothing newer was asked for."""
        return request == self._request

    def is_wanted(self, request: int) -> bool:
        """True until a request ends, is cancelled, or is superseded by one for the same spectrum."""
        return request in self._running

    def report(self, request: int, what: str | Answer) -> None:
        """Say what a request is doing, or show its numbers before its figures, unless another is to be shown or it is over."""
        if not self.is_current(request) or self.status != "working":
            return
        if isinstance(what, Answer):
            self._dim()
            self.answer = what
        else:
            self.param.update(progress=what, stage=self.stage + 1)

    def finish(self, request: int, analysis: Analysis) -> bool:
        """Keep a result, and show it where it was asked for last, all samples in use; one no longer wanted is dropped."""
        asked = self._running.pop(request, None)
        if asked is None:
            return False
        if not self.is_current(request):
            self._finish_behind(Star(asked, analysis))
            return False
        self._shown = asked
        constraints = () if self._forget else self.constraints
        self.keep(Star(asked, analysis, constraints))
        self._show(analysis, constraints)
        self._count()
        return True

    def restore(self, star: Star) -> None:
        """Show a star that was analysed before, as it was; what runs goes on and ends in the list."""
        self.message = ""
        self.put(star)

    def put(self, star: Star) -> None:
        """Show a star that was analysed before, and leave the message."""
        self._turn()
        self._shown = request = star.request
        self.keep(star)
        self.param.update(source=request.source, settings=request.settings, overrides=request.overrides)
        self._show(star.analysis, star.constraints)
        self._count()

    def keep(self, star: Star) -> None:
        """Remember a star of this session in place of the same spectrum's earlier result; the oldest of too many goes."""
        keys = [known.key for known in self.stars]
        if star.key in keys:
            at = keys.index(star.key)
            if not self._replaying:
                self.history = self.history.add(self.stars[at], star)
            self.stars = (*self.stars[:at], star, *self.stars[at + 1 :])
        else:
            for gone in self.stars[: max(0, len(self.stars) + 1 - MAX_STARS)]:
                self.complain(
                    f"{gone.name} has left the list, which holds {MAX_STARS} stars; drop its file again for it."
                )
            self.stars = (*self.stars, star)[-MAX_STARS:]

    @property
    def current(self) -> int | None:
        """Index of the star shown among the stars of the session."""
        indices = (i for i, star in enumerate(self.stars) if star.analysis is self.analysis)
        return next(indices, None)

    @property
    def star(self) -> Star | None:
        """The star shown; None before there is one."""
        return None if self.current is None else self.stars[self.current]

    def refuse(self, request: int, message: str) -> bool:
        """Say why a file cannot be used; where it was to be shown return to the star shown before."""
        if self._running.pop(request, None) is None:
            return False
        self._count()
        if not self.is_current(request):
            self.complain(message)
            return False
        self._return_to_shown(message)
        return True

    def cancel(self) -> None:
        """Drop what was to be shown and stay with the star shown before; what is to join the list goes on."""
        self._running.pop(self._request, None)
        self._turn()
        self._return_to_shown("")
        self._count()

    def expect(self, queued: int) -> None:
        """Count files that wait for their analysis to begin."""
        self._queued = queued
        self._count()

    def quantities(self, star: Star | None = None) -> tuple[Quantity, ...]:
        """Quantities of the star shown, or of what it was before, in the kind of posterior in use and without a brush.

        None where that kind is not known of it.
        """
        analysis = self.analysis if star is None else star.analysis
        constraints = self.constraints if star is None else star.constraints
        corrections = self.corrections
        if star is not None and analysis is not self.analysis:
            corrections = replace(corrections, importance=analysis.importance)
        if not corrections.allow(self.kind) and self.corrections.allow(self.kind):
            return ()
        return selected_quantities(selection_of(analysis, self.kind, constraints, (), corrections))

    def settle(self, change: int) -> None:
        """Say whose numbers, or all, the page shows; called when what follows a change has been sent, the last one counts."""
        if change != self.change:
            return
        if self.answer is not None:
            self.numbers = self.answer.flux_vector.sha256
        elif self.star is not None:
            self.param.update(numbers=self.star.analysis.flux_vector.sha256, drawn=self.star.identity)

    def undo(self) -> None:
        """Take the last change of the star shown back; one that is still being computed is cancelled."""
        if self.is_preparing_anew():
            self.cancel()
        elif (change := self.history.last(self.star)) is not None:
            self.history = self.history.undo(change)
            self._replay(change, change.before)

    def redo(self) -> None:
        """Make the change of the star shown again that was undone last."""
        if (change := self.history.next(self.star)) is not None:
            self.history = self.history.redo(change)
            self._replay(change, change.after)

    def is_preparing_anew(self) -> bool:
        """Whether the star shown is being analysed again."""
        return self.status == "working" and self._shown is not None and self._shown.source == self.source

    def complain(self, sentence: str) -> None:
        """Add a sentence on a file that could not be used; it stays until it is closed or another drop comes."""
        if sentence not in self.complaints:
            self.complaints = (*self.complaints, sentence)

    def close_message(self) -> None:
        """Take every sentence off the page."""
        self.param.update(message="", complaints=())

    def show_line(self, name: str) -> None:
        """Look at a diagnostic line, in its tab."""
        self.param.update(line=name, tab="lines")

    def choose_target(self, name: str) -> None:
        """Show the saliency of a target."""
        self.target = name

    def warn(self, message: str) -> None:
        """Say why something asked for was not even begun; whatever runs or is shown stays."""
        self.message = message

    def _replay(self, change: Change, star: Star) -> None:
        """Show a star as it was before or after a change, which is not one more change."""
        source = star.request.source
        self._running = {n: asked for n, asked in self._running.items() if asked.source != source}
        self._replaying = True
        try:
            if change.before.analysis is change.after.analysis:
                self.constraints = star.constraints
            else:
                self.put(star)
        finally:
            self._replaying = False

    def _dim(self, numbers: str = "") -> None:
        """Say that the page is changing, in the browser before anything of the new star is."""
        self.param.update(drawn="", numbers=numbers, draft=Draft(), change=self.change + 1)

    def redraw(self) -> None:
        """Dim the figures until those of the star shown have been sent; the numbers are its own already."""
        self.param.update(drawn="", change=self.change + 1)

    def _forget_answer(self) -> None:
        """Return from the numbers of a star that is not to be shown next to those of the star shown."""
        if self.answer is not None:
            self._dim()
            self.answer = None

    def _show(self, analysis: Analysis, constraints: tuple[Constraint, ...]) -> None:
        """Put a star on the page with its posterior in use; a brush belongs to the samples it was drawn on."""
        self._forget = False
        early = self.answer is not None and self.answer.flux_vector is analysis.flux_vector
        self._dim(self.numbers if early else "")
        corrections = replace(self.corrections, importance=analysis.importance)
        selection = selection_of(analysis, self.kind, constraints, (), corrections)
        with param.parameterized.discard_events(self):
            self.param.update(corrections=corrections, constraints=constraints, brush=())
        self.param.update(analysis=analysis, selection=selection, answer=None, status="ready", progress="", stage=0)

    def _add(self, request: Request) -> int:
        """Number of a new request among those that run."""
        self._numbers += 1
        self._running[self._numbers] = request
        return self._numbers

    def _turn(self) -> None:
        """Let nothing that runs be shown when it ends."""
        self._numbers += 1
        self._request = self._numbers

    def _count(self) -> None:
        """Count the stars to come: those that run without being asked for last, and those that wait."""
        self.waiting = self._queued + sum(not self.is_current(number) for number in self._running)

    def _finish_behind(self, star: Star) -> None:
        """Keep a star that is not to be shown; one that takes the place of the star shown is shown all the same."""
        before, shown = {known.key: known for known in self.stars}.get(star.key), self.star
        star = star if before is None else replace(star, constraints=before.constraints)
        self.keep(star)
        if shown is not None and shown is before:
            self._shown = star.request
            self._show(star.analysis, star.constraints)
        self._count()

    def _select(self, *events: param.parameterized.Event) -> None:
        if self.analysis is not None:
            if any(event.name == "constraints" for event in events) and (at := self.current) is not None:
                self.keep(replace(self.stars[at], constraints=self.constraints))
            self.selection = selection_of(self.analysis, self.kind, self.constraints, self.brush, self.corrections)

    def _return_to_shown(self, message: str) -> None:
        before, self._forget = self._shown, False
        self._forget_answer()
        self.param.update(
            source=before.source if before else None,
            settings=before.settings if before else self.settings,
            overrides=before.overrides if before else NOTHING_GIVEN,
            status="ready" if before else "empty",
            progress="",
            stage=0,
            message=message,
        )
