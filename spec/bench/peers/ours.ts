/** Our side of a comparison: `tsx ours.ts WORKLOAD THREADS TARGET` answers lines of a number of steps as peer.py does. */
import { createInterface } from 'node:readline'
import { fault } from '../../../core/fault.ts'
import { openSession, stop } from '../session.ts'
import { named } from '../workloads/named.ts'
import { sizedWorkload } from '../workloads/products.ts'

const [name = '', threads = '1', target = 'native'] = process.argv.slice(2)
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
const session = await openSession(workload, { target, threads: target === 'native' ? Number(threads) : undefined })
for await (const line of createInterface({ input: process.stdin })) {
  const seconds: Array<number> = []
  const cpu: Array<number> = []
  const loss: Array<number> = []
  for (let i = 0; i < Number(line); i++) {
    const from = process.cpuUsage()
    const r = await session.step()
    const { user, system } = process.cpuUsage(from)
    cpu.push((user + system) / 1e6)
    seconds.push(r.seconds)
    loss.push(r.loss)
  }
  const { trace_s, compile_s } = session
  const peak_rss_mb = process.resourceUsage().maxRSS / 1024
  process.stdout.write(`${JSON.stringify({ seconds, cpu, loss, peak_rss_mb, trace_s, compile_s })}\n`)
}
session.close()
