/** Our side of a comparison: `tsx ours.ts WORKLOAD THREADS` answers lines of a number of steps as peer.py does. */
import { createInterface } from 'node:readline'
import { fault } from '../../../core/fault.ts'
import { openSession, stop } from '../session.ts'
import { named } from '../workloads/named.ts'
import { sizedWorkload } from '../workloads/products.ts'

const [name = '', threads = '1'] = process.argv.slice(2)
const workload =
  named.find((w) => w.name === name) ??
  sizedWorkload(name) ??
  stop(
    fault('usage', {
      place: 'ours.ts',
      found: name,
      allowed: 'the name of a workload',
      remedy: 'start it by npm run bench -- NAME --peers',
    }),
  )
const session = await openSession(workload, { target: 'native', threads: Number(threads) })
for await (const line of createInterface({ input: process.stdin })) {
  const seconds: Array<number> = []
  const loss: Array<number> = []
  for (let i = 0; i < Number(line); i++) {
    const r = await session.step()
    seconds.push(r.seconds)
    loss.push(r.loss)
  }
  process.stdout.write(
    `${JSON.stringify({ seconds, loss, peak_rss_mb: process.resourceUsage().maxRSS / 1024, trace_s: session.trace_s, compile_s: session.compile_s })}\n`,
  )
}
session.close()
