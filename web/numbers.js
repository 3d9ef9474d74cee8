// Numbers and days: from the answer of GET /stats, and into words.

export const DAY = 86_400
const MOST_DAYS = 3_660 // ten years: whatever the answer holds, the page stays quick

export const byId = id => document.getElementById(id)
export const element = (tag, className, text) => {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

// What came as a number, or 0: a page of numbers must not show NaN.
export const number = value => Number.isFinite(value) ? value : 0
export const entries = value => value && typeof value == "object" ? Object.entries(value) : []
export const sum = list => list.reduce((total, value) => total + value, 0)
export const format = value => value.toLocaleString()
export const many = (value, one, more) => `${format(value)} ${value === 1 ? one : more}`

// Days are dates, not moments: they are read and written in UTC, whatever zone the reader is in.
export const seconds = day => Date.parse(`${day}T00:00:00Z`) / 1000
export const date = (time, options) => new Intl.DateTimeFormat(undefined, {timeZone: "UTC", ...options}).format(time * 1000)
export const isDay = text => /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(seconds(text))
export const isMonth = text => isDay(`${text}-01`)

// Every day from the first one kept to today, also those without a visit.
export const series = stats => {
  const known = new Map(entries(stats.days).filter(([day]) => isDay(day)))
  const now = new Date().toJSON().slice(0, 10)
  const today = isDay(stats.today) ? stats.today : now
  const first = Math.max(seconds([...known.keys(), today].sort()[0]), seconds(today) - MOST_DAYS * DAY)
  const all = []
  for (let time = first; time <= seconds(today); time += DAY) {
    const day = known.get(new Date(time * 1000).toJSON().slice(0, 10))
    all.push({time, views: number(day?.pageviews), fresh: number(day?.newVisitors), filtered: entries(day?.filtered)})
  }
  return all
}

export const views = days => sum(days.map(day => day.views))
export const fresh = days => sum(days.map(day => day.fresh))
