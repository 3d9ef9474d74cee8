// The owner's page: asks for the token, then draws what GET /stats answers.
// Whatever comes from outside reaches the page as text only (textContent), never as HTML.
import {drawChart} from "./chart.js"
import {
  byId, date, element, entries, format, fresh, isDay, isMonth, many, number, seconds, series, views,
} from "./numbers.js"

const REASONS = {crawler: "Crawlers and bots", prefetch: "Loaded ahead by a browser"}
const SETTINGS = {
  TIMEZONE: "Days begin in", COUNT_ON: "Counts on", SEEN_LIMIT: "Exact visitors up to", HISTORY_DAYS: "Days kept",
  IGNORE_CRAWLERS: "Crawlers", ALLOWED_ORIGINS: "Pages allowed",
}

/* Where the numbers come from, and the token */

// The address to ask, from ?api= if given; only http and https, and never with a name or password in it.
const address = () => {
  const url = new URL(new URLSearchParams(location.search).get("api") || "../v1", location.href)
  if (!/^https?:$/.test(url.protocol) || url.username || url.password) throw new TypeError("not a web address")
  return new URL(url.origin + url.pathname.replace(/\/+$/, ""))
}

let api, token = ""
// The key holds the address: a token goes to the counter it was typed for, and to no other.
const pocket = {
  key: () => `visitor-counter token ${api.href}`,
  get() { try { return sessionStorage.getItem(this.key()) } catch { return null } },
  set() { try { sessionStorage.setItem(this.key(), token) } catch { /* asked for again next time */ } },
  clear() { try { sessionStorage.removeItem(this.key()) } catch { /* nothing was kept */ } },
}

class Trouble extends Error {}

// The answer of GET /stats; throws Trouble with a sentence for the owner.
const ask = async () => {
  let response, answer
  try {
    const headers = {Authorization: `Bearer ${token}`}
    const options = {headers, cache: "no-store", credentials: "omit", redirect: "error"}
    response = await fetch(`${api.href.replace(/\/$/, "")}/stats`, options)
  } catch {
    throw new Trouble(navigator.onLine === false
      ? "You seem to be offline. Your numbers are safe; try again when you are back."
      : `No answer from ${api.host}. It may be down, or it may not allow this page (ALLOWED_ORIGINS).`)
  }
  if (response.status == 401 || response.status == 403) {
    throw Object.assign(new Trouble("That is not the token this counter knows. A typo, perhaps?"), {token: true})
  }
  if (response.status == 404) throw new Trouble(`There is no counter at ${api.href}.`)
  if (response.status == 503) throw new Trouble("The counter cannot reach its storage just now. Try again in a minute.")
  try { answer = await response.json() } catch { /* said below */ }
  if (!response.ok || !answer || !Number.isFinite(answer.count)) {
    throw new Trouble("The counter answered, but not with numbers. Its log will say why.")
  }
  return answer
}

/* From the answer to what is shown */

const tile = (label, value, beside, up) => {
  const item = element("li")
  item.append(element("span", "label", label), element("span", "value", value))
  item.append(element("span", up ? "beside up" : "beside", beside || "\u00a0"))
  return item
}

// The last whole days, today not among them, beside as many before, once those are complete: as in the daily mail.
const period = (label, days, length) => {
  const whole = days.slice(0, -1)
  const [last, before] = [whole.slice(-length), whole.slice(-2 * length, -length)]
  return tile(label, format(views(last)), ...compared(last, before.length < length ? [] : before))
}

const compared = (last, before) => {
  const [now, then] = [views(last), views(before)]
  if (!last.length) return ["not here yet"]
  if (!then) return [many(fresh(last), "new visitor", "new visitors")]
  const change = Math.round(100 * (now - then) / then)
  const times = now / then
  if (!change) return ["as many as before"]
  if (times >= 10) return [`${format(Math.round(times))} times as many`, true]
  return [`${format(Math.abs(change))} % ${change > 0 ? "more" : "fewer"} than before`, change > 0]
}

const drawTiles = (stats, days) => {
  const [today, yesterday] = [days.slice(-1), days.slice(-2, -1)]
  const newcomers = some => many(fresh(some), "new visitor", "new visitors")
  byId("tiles").replaceChildren(
    tile("Today", format(views(today)), newcomers(today)),
    tile("Yesterday", format(views(yesterday)), yesterday.length ? newcomers(yesterday) : "not here yet"),
    period("Last 7 days", days, 7),
    period("Last 30 days", days, 30),
    tile("All page views", format(number(stats.count)), "since the first visit"),
    tile("Visitors", format(number(stats.unique)), stats.uniqueIsEstimate ? "a close estimate" : "an exact count"),
  )
}

// A list of named values, each with a bar as long as it is large.
const drawBars = (list, rows) => {
  const most = Math.max(1, ...rows.map(([, value]) => value))
  list.replaceChildren(...rows.map(([name, value]) => {
    const row = element("li")
    const bar = element("span", "bar")
    if (value) bar.append(element("span"))
    if (value) bar.firstChild.style.width = `${100 * value / most}%`
    row.append(element("span", "name", name), element("span", "value", format(value)), bar)
    return row
  }))
}

const drawMonths = (stats, days) => {
  const months = new Map()
  const add = (month, value) => months.set(month, (months.get(month) || 0) + value)
  const dropped = entries(stats.months).filter(([month]) => isMonth(month))
  dropped.forEach(([month, value]) => add(month, number(value?.pageviews)))
  days.forEach(day => add(new Date(day.time * 1000).toJSON().slice(0, 7), day.views))
  const rows = [...months].sort().reverse().slice(0, 12)
  drawBars(byId("months"), rows.map(([month, value]) =>
    [date(seconds(`${month}-01`), {month: "long", year: "numeric"}), value]))
}

const drawFiltered = days => {
  const reasons = new Map()
  for (const [reason, value] of days.slice(-30).flatMap(day => day.filtered)) {
    reasons.set(reason, (reasons.get(reason) || 0) + number(value))
  }
  const rows = [...reasons].filter(([, value]) => value).sort((one, other) => other[1] - one[1])
  const words = reason => Object.hasOwn(REASONS, reason) ? REASONS[reason] : reason
  drawBars(byId("filtered"), rows.map(([reason, value]) => [words(reason), value]))
  byId("filtered-none").hidden = rows.length > 0
}

// What the daily mail says as well: the counter reckons it, once for both.
const drawBudget = stats => {
  const {month, runsOut} = stats.budget ?? {}
  const [used, allowance] = [number(stats.budget?.used), number(stats.budget?.allowance)]
  const meter = byId("meter")
  meter.closest("section").hidden = !allowance // a counter older than this page does not tell
  if (!allowance) return

  const name = isMonth(month) ? ` in ${date(seconds(`${month}-01`), {month: "long"})}` : ""
  byId("used").textContent = format(used)
  byId("of").textContent = `of about ${format(allowance)} free storage requests${name}`
  meter.setAttribute("aria-valuemax", allowance)
  meter.setAttribute("aria-valuenow", Math.min(used, allowance))
  meter.setAttribute("aria-valuetext", `${format(used)} of ${format(allowance)}`)
  meter.firstElementChild.style.width = `${Math.min(100, 100 * used / allowance)}%`
  meter.classList.toggle("tight", used >= allowance || isDay(runsOut))

  const pace = () => {
    if (used >= allowance) return "The free ones are used up until the month is over."
    if (isDay(runsOut)) return `At this pace they run out on ${date(seconds(runsOut), {day: "numeric", month: "long"})}.`
    return "At this pace they last the month."
  }
  byId("pace").textContent = used ? pace() : "No requests yet."
}

const drawState = stats => {
  const bytes = number(stats.documentBytes)
  const rows = [
    ["Document", bytes < 1000 ? `${format(bytes)} bytes` : `${format(Math.round(bytes / 100) / 10)} kB`],
    ["Just added from the journal", many(number(stats.entriesWaiting), "visit", "visits")],
  ]
  for (const [name, label] of Object.entries(SETTINGS)) {
    const value = stats.settings?.[name]
    if (value === undefined || value === null) continue
    if (name == "IGNORE_CRAWLERS") rows.push([label, value ? "left out" : "counted"])
    else if (name == "ALLOWED_ORIGINS" && value === "*") rows.push([label, "any"])
    else rows.push([label, typeof value == "number" ? format(value) : String(value)])
  }
  byId("state").replaceChildren(...rows.flatMap(([label, value]) => [element("dt", "", label), element("dd", "", value)]))
}

/* The two faces of the page */

let shown // the days on the page

const drawAll = stats => {
  const days = series(stats)
  shown = days
  byId("gate").hidden = true
  byId("numbers").hidden = false
  const site = stats.settings?.SITE_NAME
  byId("site").textContent = typeof site == "string" && site.trim() ? site : "Your visitors"
  document.title = `${format(number(stats.count))} page views`
  const moment = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"})
  const last = moment.format(number(stats.updatedAt) * 1000)
  byId("freshness").textContent = number(stats.updatedAt) ? `Last visit counted ${last}` : ""
  const greeting = () => {
    if (!number(stats.count)) return "No visits yet. Once the snippet is on your page, the first one shows up here."
    if (days.length < 2 && !entries(stats.months).length) {
      return "This is the first day. From tomorrow on there is something to compare with."
    }
    if (!views(days.slice(-7))) return "Nothing was counted for seven days. Is the snippet still on the page?"
    return ""
  }
  byId("hello").textContent = greeting()
  byId("hello").hidden = !greeting()
  drawTiles(stats, days)
  drawMonths(stats, days)
  drawFiltered(days)
  drawBudget(stats)
  drawState(stats)
  drawChart(days)
}

const say = (id, text) => {
  byId(id).textContent = text || ""
  byId(id).hidden = !text
}

const askForToken = trouble => {
  byId("numbers").hidden = true
  byId("gate").hidden = false
  document.title = "Your visitors"
  say("trouble", trouble)
  byId("token").focus()
}

const busy = on => ["enter", "refresh"].forEach(id => { byId(id).disabled = on })

const load = async given => {
  token = given
  busy(true)
  try {
    const stats = await ask()
    pocket.set()
    byId("token").value = ""
    say("notice", "")
    drawAll(stats)
  } catch (error) {
    const sentence = error instanceof Trouble ? error.message : "Something in the answer could not be drawn."
    if (error.token) pocket.clear()
    // Numbers already on the page stay there; only a wrong token closes the door again.
    if (shown && !error.token) say("notice", sentence)
    else askForToken(sentence)
  } finally {
    busy(false)
  }
}

byId("gate").addEventListener("submit", event => {
  event.preventDefault()
  const typed = byId("token").value.trim()
  if (typed && api) load(typed)
})
byId("refresh").addEventListener("click", () => load(token))
byId("leave").addEventListener("click", () => {
  pocket.clear()
  shown = undefined
  token = ""
  askForToken()
})
const again = () => shown && !byId("numbers").hidden && drawChart(shown)
let waiting
addEventListener("resize", () => {
  cancelAnimationFrame(waiting)
  waiting = requestAnimationFrame(again)
})
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again)

try {
  api = address()
  byId("host").textContent = api.host
  byId("stranger").hidden = api.origin == location.origin
  if (pocket.get()) load(pocket.get())
  else askForToken()
} catch {
  askForToken("The address after ?api= is not one this page can ask. It should look like https://host/v1.")
  byId("enter").disabled = true
}
