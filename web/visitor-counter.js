/*! Visitor counter, UPL-1.0 */
if (!customElements.get("visitor-counter")) {
  const calls = {} // one per src

  customElements.define("visitor-counter", class extends HTMLElement {
    async connectedCallback() {
      if (this.shadowRoot) return
      const src = this.getAttribute("src")
      const show = this.getAttribute("show") || "count"
      const remember = this.getAttribute("remember")
      const span = document.createElement("span")
      span.part = "number"
      span.role = "status"
      span.ariaLive = "polite"
      span.style = "display:inline-block;min-width:var(--visitor-counter-width,5ch);font-variant-numeric:tabular-nums"
      span.append(document.createElement("slot"))
      this.attachShadow({mode: "open"}).append(span)

      const draw = number => Number.isFinite(number) && (span.textContent = number.toLocaleString())
      const keep = (key, value) => {
        try {
          if (remember == "none" || navigator.globalPrivacyControl || navigator.doNotTrack == 1) return
          if (value) localStorage["visitor-counter " + key] = value
          return localStorage["visitor-counter " + key]
        } catch {} // blocked
      }

      draw(+keep(src + show))
      let type = "error", detail
      try {
        while (document.prerendering || document.hidden) await new Promise(requestAnimationFrame)
        const day = remember == "day" ? new Date().toJSON().slice(0, 10) : ""
        const key = day ? "day" : "id"
        let id = keep(key)
        if (!id?.startsWith(day)) id = keep(key, day + (crypto.randomUUID?.() || crypto.getRandomValues(new Uint32Array(4)).join("-")))
        const url = id ? src + (/\?/.test(src) ? "&" : "?") + "vid=" + id : src
        detail = await (calls[src] ||= fetch(url, {method: "POST", credentials: "omit"}).then(r => r.json()))
        const number = detail[show]
        if (draw(number)) {
          type = "load"
          keep(src + show, number)
        }
      } catch {}
      this.dispatchEvent(new CustomEvent(type, {detail}))
    }
  })
}
