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
  const own = { "?": () => dialog.showModal(), d: toggle }
  root.append(
    button("tour", "A tour of the page for newcomers", () => guide.start(root)),
    button("? keys", "The list of keyboard shortcuts", own["?"]),
    button("◐", "Light or dark", toggle),
    dialog,
  )
  const listen = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event) || dialog.open) return  // Escape closes it
    if (own[event.key]) { event.preventDefault(); own[event.key](); return }
    if (model.shortcuts.some(({ keys }) => keys.includes(event.key))) {
      event.preventDefault()
      model.send_msg({ key: event.key, star: model.star })
    }
  }
  const dim = () => document.documentElement.style.setProperty("--kiel-settled", model.star ? "1" : "0.12")
  const name = () => { document.title = model.star_name ? `${model.star_name} · Kiel` : "Kiel" }
  const leave = (event) => { if (model.ask) event.preventDefault() }
  const back = () => model.send_msg({ search: location.search })
  const push = history.pushState.bind(history)
  history.pushState = (state, title, url) => {  // Panel would add the address once more that one has gone back to
    if (new URL(url, location.href).href !== location.href) push(state, title, url)
  }
  model.on("star", dim)
  model.on("star_name", name)
  name()
  document.addEventListener("keydown", listen)
  addEventListener("beforeunload", leave)
  addEventListener("popstate", back)
  model.on("remove", () => {
    document.removeEventListener("keydown", listen)
    removeEventListener("beforeunload", leave)
    removeEventListener("popstate", back)
  })
  return root
}
