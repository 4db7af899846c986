// The right end of the bar: tour, keys and light/dark; listens to the keyboard; every text is set as text, never as HTML.

function element(tag, cls, text) {
  const made = document.createElement(tag)
  if (cls) made.className = cls
  if (text !== undefined) made.textContent = text
  return made
}

function button(text, tip, act) {
  const made = element("button", "", text)
  made.type = "button"
  made.title = tip
  made.setAttribute("aria-label", tip)
  made.onclick = act
  return made
}

/** The first element of a class in the document or in any shadow root below it, that is shown. */
function find(cls, root = document) {
  for (const found of root.querySelectorAll(`.${cls}`)) if (found.getClientRects().length) return found
  for (const host of root.querySelectorAll("*")) {
    const found = host.shadowRoot && find(cls, host.shadowRoot)
    if (found) return found
  }
  return null
}

/** Every element of a class in the document and in any shadow root below it. */
function all(cls, root = document) {
  const below = [...root.querySelectorAll("*")].flatMap((host) => host.shadowRoot ? all(cls, host.shadowRoot) : [])
  return [...root.querySelectorAll(`.${cls}`), ...below]
}

/** Lay something over what cannot be pressed now, or take it away; a style that is inherited would cost far more. */
function cover(place, on) {
  let over = place.shadowRoot.querySelector(".cover")
  if (on && !over) {
    over = element("div", "cover")
    over.style.cssText = "position: absolute; inset: 0; z-index: 1000"
    place.shadowRoot.append(over)
  }
  over?.style.setProperty("display", on ? "block" : "none")
}

function remembered(name) { try { return localStorage.getItem(name) } catch { return null } }
function remember(name, value) { try { localStorage.setItem(name, value) } catch { /* private window */ } }

function theme() {
  const root = document.documentElement
  const asked = new URLSearchParams(location.search).get("theme")
  const start = asked ?? remembered("kiel-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")
  root.dataset.theme = start === "dark" ? "dark" : "light"
  return () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"
    remember("kiel-theme", root.dataset.theme)
  }
}

/** Focus lies in something that takes letters itself. */
function typing(event) {
  const at = event.composedPath()[0]
  if (/^(checkbox|radio|button|file)$/.test(at.type)) return false
  return at.isContentEditable || /^(input|textarea|select)$/i.test(at.tagName) || at.getAttribute?.("role") === "slider"
}

function keys_dialog(shortcuts) {
  const dialog = element("dialog", "keys")
  dialog.append(element("h2", "", "Keys"))
  const table = element("table")
  for (const { keys, does } of shortcuts) {
    const row = element("tr")
    const cell = element("td")
    for (const key of keys) cell.append(element("kbd", "", key))
    row.append(cell, element("td", "", does))
    table.append(row)
  }
  dialog.append(table, button("close", "Close", () => dialog.close()))
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close() }
  return dialog
}

const NAMELESS = {
  ".tabulator-tableholder[tabindex]": (e) => e.removeAttribute("tabindex"),  // no child that a grid may have
  "span[aria-label]:not([role])": (e) => e.setAttribute("role", "img"),
  "[role=progressbar]:not([aria-label])": (e) => e.setAttribute("aria-label", "work under way"),
  "button.MuiButton-root[aria-label]": (e) => {  // the tooltip: it describes the button, whose name is what stands on it
    if (!e.textContent.trim()) return
    e.setAttribute("aria-description", e.getAttribute("aria-label"))
    e.removeAttribute("aria-label")
  },
  "button.MuiIconButton-root:not([aria-label]):not([title])": (e) =>
    e.setAttribute("aria-label", e.previousElementSibling ? "one less" : "one more"),
}

/** Give names to what the libraries leave nameless, here and in every shadow root below, now and whenever something is added. */
function name_all(root, known = new WeakSet()) {
  const visit = (node) => {
    if (!node.querySelectorAll) return
    for (const [selector, mend] of Object.entries(NAMELESS)) {
      if (node.matches?.(selector)) mend(node)
      for (const found of node.querySelectorAll(selector)) mend(found)
    }
    for (const host of [node, ...node.querySelectorAll("*")]) {
      if (host.shadowRoot && !known.has(host.shadowRoot)) {
        known.add(host.shadowRoot)
        watcher.observe(host.shadowRoot, { childList: true, subtree: true })
        visit(host.shadowRoot)
      }
    }
  }
  const watcher = new MutationObserver((changes) => { for (const { addedNodes } of changes) for (const node of addedNodes) visit(node) })
  watcher.observe(root, { childList: true, subtree: true })
  visit(root)
  return () => watcher.disconnect()
}

const LARGE = 1.4

/** Sizes of text for a projector: the root's for all of the page, and those of each figure, which has its own. */
function sizes() {
  const own = new WeakMap()
  let large = remembered("kiel-text") === "large"
  const scaled = (size, by) => size.replace(/^[\d.]+/, (number) => String(Number(number) * by))
  let touched = false
  const mend = () => {
    if (!large && !touched) return  // thousands of models, which are as they were made
    touched = true
    for (const document of globalThis.Bokeh?.documents ?? []) {
      for (const model of document.all_models ?? []) {
        for (const property of model) {
          if (!property.attr.endsWith("_font_size") || property.is_unset) continue
          const now = property.get_value(), text = typeof now === "string" ? now : now?.value
          if (typeof text !== "string" || !/^[\d.]+px$/.test(text)) continue
          const before = own.get(model) ?? {}
          const original = text === before[property.attr]?.set ? before[property.attr].original : text
          const set = large ? scaled(original, LARGE) : original
          own.set(model, { ...before, [property.attr]: { original, set } })
          if (set !== text) model.setv({ [property.attr]: typeof now === "string" ? set : { ...now, value: set } }, { sync: false })
        }
      }
    }
  }
  const show = () => {
    const usual = 16 * 13 / 14  // of Material UI at the theme's 13 px
    document.documentElement.style.fontSize = large ? `${usual * LARGE}px` : ""
    document.documentElement.style.setProperty("--kiel-text", large ? String(LARGE) : "1")
    document.documentElement.style.setProperty("--kiel-columns", large ? "7" : "13")
    mend()
  }
  show()
  return { mend, toggle: () => { large = !large; remember("kiel-text", large ? "large" : "usual"); show() } }
}

function tour(model) {
  const frame = element("div", "spot")
  const bubble = element("div", "bubble")
  const title = element("b"), text = element("p"), count = element("span", "count")
  const stop = () => { frame.remove(); bubble.remove(); remember("kiel-tour", "seen") }
  let at = 0
  const place = () => {
    const step = model.steps[at], target = find(step.place)
    target?.scrollIntoView({ block: "nearest" })
    const box = target?.getBoundingClientRect()
    title.textContent = step.title
    text.textContent = step.text
    count.textContent = `${at + 1} of ${model.steps.length}`
    frame.style.display = box ? "block" : "none"
    const wide = Math.min(320, innerWidth - 24), tall = () => bubble.getBoundingClientRect().height
    bubble.style.width = `${wide}px`
    let left = innerWidth / 2 - wide / 2, top = innerHeight / 3
    if (box) {
      const upper = Math.max(box.top, 0), height = Math.max(0, Math.min(box.bottom, innerHeight - 8) - upper)
      Object.assign(frame.style, { left: `${box.left - 4}px`, top: `${upper - 4}px`, width: `${box.width + 8}px`, height: `${height + 8}px` })
      const beside = box.right + 14 + wide < innerWidth
      left = beside ? box.right + 14 : box.left
      top = beside ? upper : upper + height + 14
    }
    const within = (at, most) => `${Math.max(12, Math.min(at, most - 12))}px`
    Object.assign(bubble.style, { left: within(left, innerWidth - wide), top: within(top, innerHeight - tall()) })
    bubble.querySelector("button").focus({ preventScroll: true })
  }
  const go = (to) => {
    if (to >= model.steps.length) return stop()
    at = Math.max(0, to)
    if (model.steps[at].tab) model.send_msg({ tab: model.steps[at].tab })
    place()
    if (model.steps[at].tab) setTimeout(() => { if (bubble.isConnected) place() }, 900)
  }
  const row = element("div", "row")
  row.append(button("next", "Next", () => go(at + 1)), button("back", "Back", () => go(at - 1)), button("end", "End the tour", stop), count)
  bubble.append(title, text, row)
  bubble.setAttribute("role", "dialog")
  bubble.onkeydown = (event) => { if (event.key === "Escape") stop() }
  addEventListener("resize", () => { if (bubble.isConnected) place() })
  return { start: (root) => { root.append(frame, bubble); go(0) }, stop }
}

export function render({ model }) {
  const root = element("div", "frame")
  const toggle = theme()
  const dialog = keys_dialog(model.shortcuts)
  const guide = tour(model)
  const text = sizes()
  const own = { "?": () => dialog.showModal(), d: toggle, l: text.toggle }
  root.append(
    button("tour", "A tour of the page for newcomers", () => guide.start(root)),
    button("? keys", "The list of keyboard shortcuts", own["?"]),
    button("A↕", "Large text, for a projector, or not", text.toggle),
    button("◐", "Light or dark", toggle),
    dialog,
  )
  const listen = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event) || dialog.open) return  // Escape closes it
    if (own[event.key]) { event.preventDefault(); own[event.key](); return }
    const known = (key) => model.shortcuts.some(({ keys }) => keys.includes(key))
    const key = known(event.key) ? event.key : event.key.toLowerCase()  // with Caps Lock, too
    if (known(key)) {
      event.preventDefault()
      model.send_msg({ key, star: model.star })
    }
  }
  // What stands below is of the tab that the server has shown: until that is the one lit in the bar, it is dimmed.
  let bar = null
  const lit = () => (bar?.isConnected && bar.querySelector("[role=tab][aria-selected=true]")?.textContent) || model.tab
  const turns = new MutationObserver(() => dim())
  const turn = (event) => {
    const found = event.composedPath().find((e) => e.getAttribute?.("role") === "tablist")
    if (!found || found === bar) return
    bar = found
    turns.disconnect()
    turns.observe(bar, { attributes: true, subtree: true, attributeFilter: ["aria-selected"] })
  }
  const dim = () => {  // of each element, not by a variable of the document, which would have all of it styled anew
    const clear = { settled: Boolean(model.star) && lit() === model.tab, numbers: Boolean(model.numbers) }
    for (const [what, is_clear] of Object.entries(clear)) {
      document.documentElement.dataset[what] = String(is_clear)
      for (const place of all(`kiel-${what}`)) place.style.opacity = is_clear ? "" : "0.12"
    }
    for (const place of all("kiel-settled")) cover(place, !clear.settled)
  }
  const name = () => { document.title = model.star_name ? `${model.star_name} · Kiel` : "Kiel" }
  const leave = (event) => { if (model.ask) event.preventDefault() }
  const back = () => model.send_msg({ search: location.search })
  const push = history.pushState.bind(history)
  history.pushState = (state, title, url) => {  // Panel would add the address once more that one has gone back to
    if (new URL(url, location.href).href !== location.href) push(state, title, url)
  }
  model.on(["star", "numbers", "tab"], dim)
  model.on(["star", "tab"], text.mend)
  document.addEventListener("click", turn, true)
  const forget = name_all(document.body)
  model.on("star_name", name)
  name()
  document.addEventListener("keydown", listen)
  addEventListener("beforeunload", leave)
  addEventListener("popstate", back)
  model.on("remove", () => {
    forget()
    turns.disconnect()
    document.removeEventListener("keydown", listen)
    document.removeEventListener("click", turn, true)
    removeEventListener("beforeunload", leave)
    removeEventListener("popstate", back)
  })
  return root
}
