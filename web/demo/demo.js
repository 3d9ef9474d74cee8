// The demo: what a visitor sees, the snippet to copy, and two buttons to play with.
(() => {
  "use strict"

  const byId = id => document.getElementById(id)

  // The snippet names the real addresses, so it works wherever it is pasted.
  const snippet = [
    `<script defer src="${location.origin}/v1/visitor-counter.js"><\/script>`,
    "<visitor-counter page referrer local></visitor-counter>",
  ].join("\n")
  byId("snippet").textContent = snippet

  byId("copy").addEventListener("click", async () => {
    let done = "Copied"
    try {
      await navigator.clipboard.writeText(snippet)
    } catch { // not allowed, or no secure context: select it for Ctrl+C
      getSelection().selectAllChildren(byId("snippet"))
      done = "Selected"
    }
    byId("copy").textContent = done
    setTimeout(() => { byId("copy").textContent = "Copy" }, 2000)
  })

  // Visiting again means reloading: this page counts reloads, too.
  byId("again").addEventListener("click", () => location.reload())
  byId("other").addEventListener("click", () => {
    try { localStorage.removeItem("visitor-counter id") } catch { /* no id to forget */ }
    location.reload()
  })

  const WHY = {
    peek: "Only looked, not counted.",
    reload: "Not counted: a reload.",
    origin: "Not counted: this page is not in ALLOWED_ORIGINS.",
    prefetch: "Not counted: the page was loaded ahead.",
    crawler: "Not counted: this looks like a crawler.",
  }
  byId("count").addEventListener("load", ({detail}) => {
    byId("once").hidden = detail.count !== 1
    byId("count").hidden = byId("times").hidden = detail.count === 1
    byId("visitors").textContent = detail.unique === 1 ? "visitor" : "visitors"
    byId("said").textContent = detail.counted === false ? WHY[detail.reason] ?? "Not counted." : "This visit is counted."
  })
  byId("count").addEventListener("error", () => {
    byId("said").textContent = "The counter did not answer. On your own page a visitor would not notice."
  })

  // Requested after the visit and without the browser's cache, so it shows the same number. Without a badge its card is
  // hidden.
  const badge = byId("badge")
  badge.addEventListener("error", () => { byId("badge-card").hidden = true })
  byId("count").addEventListener("load", ({detail}) => { badge.src = `/v1/badge.svg?at=${detail.count}` })
})()
