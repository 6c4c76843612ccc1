// What docs/fate.md promises, held over random histories of losses, deaths, alarms, redeliveries and drains.
import t from 'tap'
import type { Report } from './check.ts'
import { playHistory } from './history.ts'

// @counts-messages

const HISTORIES = Number(process.env.WARREN_HISTORIES ?? 200)
const SEED = Number(process.env.WARREN_SEED ?? 1)
/** They spend most of their time waiting for short timers. */
const AT_ONCE = 50

t.setTimeout(Math.max(120_000, HISTORIES * 600))

t.test(`${HISTORIES} histories from seed ${SEED} on`, async (t) => {
  const seeds = Array.from({ length: HISTORIES }, (_, n) => SEED + n)
  const reports: Report[] = []
  async function playSome(): Promise<void> {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const report = await playHistory(seed)
      reports.push(report)
      if (report.faults.length > 0) t.fail(`WARREN_SEED=${seed} WARREN_HISTORIES=1`, { faults: report.faults })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, playSome))
  const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0)
  const events = new Map<string, number>()
  for (const report of reports) {
    for (const [event, count] of Object.entries(report.events)) events.set(event, (events.get(event) ?? 0) + count)
  }
  t.equal(reports.length, HISTORIES)
  t.comment(`${sum(({ messages }) => messages)} messages; ${JSON.stringify(Object.fromEntries(events))}`)
  t.comment(
    `${sum(({ duplicates }) => duplicates)} handled once more, ${sum(({ windows }) => windows)} windows between a copy and its ` +
      `acknowledgement, ${sum(({ forks }) => forks)} messages that lived on as two`,
  )
})
