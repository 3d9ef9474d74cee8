// The demo: what a visitor sees, the snippet to copy, and two buttons to play with.
(() => {
  "use strict"

  const byId = id => document.getElementById(id)
  const at = path => new URL(path, location.href).href

  // The snippet names the real addresses, so it works wherever it is pasted.
  const snippet = [
    `<script defer src="${at("/web/visitor-counter.js")}"><\/script>`,
    `<visitor-counter src="${at("/v1/counter")}">many</visitor-counter>`,
  ].join("\n")
  byId("snippet").textContent = snippet

  byId("copy").addEventListener("click", async () => {
    let done = "Copied"
    try {
      await navigator.clipboard.writeText(snippet)
    } catch { // not allowed, or no secure context: select it, and Ctrl+C does the rest
      getSelection().selectAllChildren(byId("snippet"))
      done = "Selected"
    }
    byId("copy").textContent = done
    setTimeout(() => { byId("copy").textContent = "Copy" }, 2000)
  })

  // A view is counted once a page load, so visiting again is loading again.
  byId("again").addEventListener("click", () => location.reload())
  byId("other").addEventListener("click", () => {
    try { localStorage.removeItem("visitor-counter id") } catch { /* then there is no id to forget */ }
    location.reload()
  })

  const WHY = {
    peek: "Only looked, not counted.",
    prefetch: "Not counted: the page was loaded ahead.",
    crawler: "Not counted: this looks like a crawler.",
  }
  byId("count").addEventListener("load", ({detail}) => {
    byId("said").textContent = detail.counted === false ? WHY[detail.reason] ?? "Not counted." : "This visit is counted."
  })
  byId("count").addEventListener("error", () => {
    byId("said").textContent = "The counter did not answer. On your own page a visitor would not notice."
  })

  // Asked for after the visit, and past the browser's cache, so it shows the same number. Where there is no badge, its
  // card makes room for the others.
  const badge = byId("badge")
  badge.addEventListener("error", () => { byId("badge-card").hidden = true })
  byId("count").addEventListener("load", ({detail}) => { badge.src = `/v1/badge.svg?at=${detail.count}` })
})()
