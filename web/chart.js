// The days as a chart, drawn by uPlot (vendor/), with its words and its table beside it.
/* global uPlot */
import {DAY, byId, date, element, format, fresh, many, views} from "./numbers.js"

const RANGES = [["30 days", 30], ["90 days", 90], ["All", Infinity]]
const STEPS = [...Array(9).keys()].flatMap(power => [1, 2, 5].map(by => by * 10 ** power)) // of the scale: whole visits
const WHOLE = {weekday: "short", day: "numeric", month: "short", year: "numeric"}
const NARROWEST = 4 // pixels a bar and its gap need; with less room, days are drawn as weeks

let range = RANGES[0]
let plot

// Days as they are, or as weeks where a bar would be a hairline.
const buckets = (days, width) => {
  const size = days.length * NARROWEST > width ? 7 : 1
  const all = []
  for (let end = days.length; end > 0; end -= size) {
    const part = days.slice(Math.max(0, end - size), end)
    all.unshift({time: days[end - 1].time - (size - 1) * DAY, size, views: views(part), fresh: fresh(part)})
  }
  return all
}

// Draws the chart, the buttons that choose its range, and the table that says the same; again, if it is there already.
export const drawChart = days => {
  const box = byId("chart")
  const {width} = box.getBoundingClientRect()
  if (!width) return
  // A first day stands in a fortnight, not as one bar as wide as the page.
  const some = days.slice(-range[1])
  while (some.length < 14) some.unshift({time: some[0].time - DAY, views: 0, fresh: 0, filtered: []})
  const all = buckets(some, width)
  const {time: start} = all[0]
  const total = `${many(views(some), "page view", "page views")}, ${many(fresh(some), "new visitor", "new visitors")}`
  const begin = date(some[0].time, {day: "numeric", month: "short", year: "numeric"})
  const summary = `${begin} to today${all[0].size > 1 ? ", by week" : ""}: ${total}`
  const color = name => getComputedStyle(box).getPropertyValue(name).trim()
  const readout = byId("readout")
  const tell = index => {
    const one = all[index]
    readout.textContent = one
      ? `${one.size > 1 ? "Week from " : ""}${date(one.time, WHOLE)}: `
        + `${many(one.views, "page view", "page views")}, ${many(one.fresh, "new visitor", "new visitors")}`
      : summary
  }
  const bars = uPlot.paths.bars({size: [0.7, 36], radius: 0.15})
  const axis = {stroke: color("--quiet"), font: "12px system-ui, sans-serif", ticks: {show: false}}
  const step = all[0].size * DAY

  // Over many months their names say more than their first days do.
  const label = time => {
    if (some.length <= 120) return date(time, {day: "numeric", month: "short"})
    return date(time, new Date(time * 1000).getUTCMonth() ? {month: "short"} : {year: "numeric"})
  }

  plot?.destroy()
  plot = new uPlot({
    width, height: Math.round(Math.min(300, Math.max(220, width * 0.3))),
    tzDate: time => uPlot.tzDate(new Date(time * 1000), "UTC"),
    legend: {show: false},
    padding: [12, 8, 0, 0],
    cursor: {y: false, drag: {x: false, y: false}, points: {show: false}},
    scales: {
      x: {range: [start - step / 2, all.at(-1).time + step / 2]},
      y: {range: (_, low, high) => [0, Math.max(4, Math.ceil(high * 1.08))]},
    },
    axes: [
      {...axis, grid: {show: false}, size: 28, space: 56,
        incrs: [1, 2, 7, 14, 28, 56, 91, 182].map(count => count * DAY),
        values: (_, times) => times.map(label).map((name, index, all) => name == all[index - 1] ? "" : name)},
      {...axis, grid: {stroke: color("--line"), width: 1}, incrs: STEPS,
        size: 12 + 8 * format(Math.max(4, ...all.map(one => one.views))).length,
        values: (_, values) => values.map(format)},
    ],
    series: [
      {},
      {fill: color("--soft"), width: 0, paths: bars, points: {show: false}},
      {fill: color("--accent"), width: 0, paths: bars, points: {show: false}},
    ],
    hooks: {setCursor: [({cursor}) => tell(cursor.left >= 0 ? cursor.idx : undefined)]},
  }, [all.map(one => one.time), all.map(one => one.views), all.map(one => one.fresh)], box)

  tell()
  box.setAttribute("aria-label", `Bar chart. ${summary}. The numbers are in the table below.`)
  byId("ranges").replaceChildren(...RANGES.map(each => {
    const button = element("button", "", each[0])
    button.type = "button"
    button.setAttribute("aria-pressed", each === range)
    button.addEventListener("click", () => {
      range = each
      drawChart(days)
      byId("ranges").children[RANGES.indexOf(each)].focus()
    })
    return button
  }))
  byId("table").replaceChildren(...days.slice(-range[1]).reverse().map(day => {
    const row = element("tr")
    const head = element("th", "", date(day.time, WHOLE))
    head.scope = "row"
    row.append(head, element("td", "", format(day.views)), element("td", "", format(day.fresh)))
    return row
  }))
}
