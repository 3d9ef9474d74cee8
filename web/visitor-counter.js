/*! visitor-counter, UPL-1.0 */
if (globalThis.customElements && !customElements.get("visitor-counter")) {
const script = document.querySelector('[src*="/visitor-counter.js"]')
const isLocal = /^([^.]*|[\d.]*)$/.test(location.hostname)
const isPrivate = navigator.globalPrivacyControl || navigator.doNotTrack == 1
const say = text => say[text] ||= !console.warn("visitor-counter: " + text)
const attempt = job => {
  try {
    return job()
  } catch {}
}
const kept = (name, value) => attempt(() => value ? localStorage["visitor-counter " + name] = value : localStorage["visitor-counter " + name])
const day = ago => new Date(Date.now() - ago * 864e5).toJSON().slice(0, 10)
const path = page => new URL(page, document.baseURI).pathname.replace(/\b\/$/, "")

const visitor = (id, since, days) => {
  if (kept(id) && !((kept(since) || kept(since, day(0))) < day(days))) return kept(id)
  kept(since, day(0))
  return kept(id, crypto.getRandomValues(new Uint32Array(4)).join("-"))
}

let here = path(location), counted = {}, answers = {}, due
let how = performance.getEntriesByType("navigation")[0]?.type, from = document.referrer.split("/")[2]
const turn = () => {
  how = from = location.host
  counted = {}
  answers = {}
  requestAnimationFrame(ask)
}
const moved = () => {
  kept("me", location.hash.split("#visitor-counter=")[1])
  if (here != (here = path(location))) turn()
}

const call = async (address, wish) => {
  const view = counted, body = {page: wish.page}
  const out = kept("me") == "off" && say("not counted, off") || isLocal && !wish.local && say("not counted, local")
  if (out || !wish.counts || view[address]) body.peek = true
  else {
    view[address] = true
    if (wish.remember != "none") body.vid = wish.remember == "day" ? visitor("day", "day since", 0) : visitor("id", "since", 395)
    if (wish.referrer && !isPrivate && from != location.host) body.ref = from
    if (!wish.reloads && how == "reload") body.skip = how
  }
  const answer = {...await fetch(address, {method: "POST", body: JSON.stringify(body)}).then(r => r.json()).catch(() => {})}
  if (!answer.ok) {
    answers = {}
    view[address] = answer.mayBeCounted !== false
  }
  return answer
}

const tags = new Set()
const ask = () => due ||= !queueMicrotask(gather)
const gather = async () => {
  while (document.hidden || document.readyState == "loading" || !navigator.onLine && !isLocal) await new Promise(requestAnimationFrame)
  due = false
  moved()
  const groups = {}
  for (const tag of tags) {
    const wish = {}, src = tag.getAttribute("src") || script && new URL("counter", script.src)
    for (const {name, value} of tag.attributes) wish[name] = value || true
    const [address, query] = src && attempt(() => new URL(src, document.baseURI).href.split("?")) || []
    if (!address) continue
    const named = /\//.test(wish.page) && wish.page, page = path(named || location)
    tag.address = address
    tag.shown = wish.show || (named ? "page" : "count")
    if (wish.page || tag.shown == "page") wish.page = page
    if (page == here && !/peek/.test(query)) wish.counts = true
    if (isPrivate) wish.remember = "none"
    tag.wish = Object.assign(groups[address + (page != here && page)] ||= {}, wish)
  }
  for (const tag of tags) if (tag.wish) tag.draw(answers[tag.address + tag.wish.page] ||= call(tag.address, tag.wish))
}

customElements.define("visitor-counter", class extends HTMLElement {
  static observedAttributes = ["src", "page", "show"]
  count = turn
  span = Object.assign(document.createElement("span"), {part: "number", role: "status"})
  constructor() {
    super().attachShadow({mode: "open"}).append(this.span)
    this.span.append(document.createElement("slot"))
  }
  connectedCallback() {
    tags.add(this)
    ask()
  }
  disconnectedCallback() {
    tags.delete(this)
  }
  attributeChangedCallback() {
    this.asked = 0
    ask()
  }
  async draw(asked) {
    if (this.asked == (this.asked = asked)) return
    const name = this.wish.remember != "none" && this.shown != "page" && this.address + this.shown
    if (kept(name)) this.span.textContent = kept(name)
    const answer = await asked, value = answer[this.shown], number = value?.visitors ?? value?.count ?? value
    if (this.asked != asked) return
    const good = Number.isFinite(number)
    if (good) this.span.textContent = attempt(() => number.toLocaleString(this.closest("[lang]").lang)) || number.toLocaleString()
    if (good && name) kept(name, this.span.textContent)
    if (answer.ok && !good) say("no number for " + this.shown)
    this.dispatchEvent(new CustomEvent(good ? "load" : "error", {detail: answer}))
  }
})
addEventListener("pageshow", ({persisted}) => persisted && ask(answers = {}))
globalThis.navigation?.addEventListener("currententrychange", moved)
}
