/*! visitor-counter, UPL-1.0 */
// For pages and themes made for Busuanzi or Vercount: fills their elements and shows their containers, as their own
// scripts do. Served after the element's code, which does the counting: <script async src="https://host/v1/busuanzi.js">.
{
  const numbers = {site_pv: "count", site_uv: "unique", page_pv: "page"}
  const script = document.currentScript
  const counter = document.createElement("visitor-counter")
  counter.setAttribute("src", new URL("counter", script.src))
  counter.setAttribute("page", "")
  for (const name of ["local", "referrer", "reloads", "remember"]) {
    if (script.hasAttribute(name)) counter.setAttribute(name, script.getAttribute(name))
  }
  counter.hidden = true

  let answer
  const fill = () => {
    for (const [name, key] of Object.entries(numbers)) {
      const number = answer?.[key]?.count ?? answer?.[key]
      if (!Number.isFinite(number)) continue
      for (const prefix of ["busuanzi_value_", "vercount_value_", "busuanzi_", "vercount_"]) {
        const value = document.getElementById(prefix + name)
        if (value && value.textContent != number) value.textContent = number
      }
      for (const prefix of ["busuanzi_container_", "vercount_container_"]) {
        const container = document.getElementById(prefix + name)
        if (container && container.style.display != "inline") container.style.display = "inline"
      }
    }
  }
  counter.addEventListener("load", ({detail}) => {
    answer = detail
    fill()
  })
  // A theme that changes its pages by script adds new elements.
  new MutationObserver(fill).observe(document.documentElement, {childList: true, subtree: true})
  document.documentElement.append(counter)
}
