"""The folded table of the elements beside the targets: limits as limits, the prior in brackets, nothing unescaped."""

import re
from dataclasses import replace

from fake_analysis import fake_more

from app.page.views.more import elements_table


def test_every_element_is_a_row_with_its_limit_physics_and_lines():
    more = fake_more()
    text = str(elements_table(more))
    assert text.count("<tr>") == 1 + 13
    assert re.search(r"\[Ba/Fe\]</td><td>[+−]\d\.\d\d</td>.*?LTE</td><td>6141\.7, 6496\.9", text)
    assert "[Eu/Fe]</td><td>&lt; +" in text
    assert re.search(r"\[O/Fe\]</td><td>\([+−]\d\.\d\d\)", text)  # the prior alone
    assert "-" not in re.sub(r"<[^>]*>", "", text)  # real minus signs


def test_label_is_text_and_never_markup():
    more = fake_more()
    hostile = replace(more, elements={**more.elements, "o_fe": replace(more.elements["o_fe"], label="<script>")})
    assert "<script>" not in str(elements_table(hostile))
