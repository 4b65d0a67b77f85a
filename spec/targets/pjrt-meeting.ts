/**
 * One process of several that are one client: `pjrt-meeting.ts PLUGIN FOLDER NODE NODES PATIENCE` prints what the plugin says of a device.
 */
import * as E from 'fp-ts/lib/Either.js'
import { joinClient } from '../../compiler/targets/pjrt/client.ts'
import { meet } from '../../compiler/targets/pjrt/rendezvous.ts'
import { showFault } from '../../core/fault.ts'

const [plugin, folder, node, nodes, patience] = process.argv.slice(2)
const met = await meet({ folder, node: Number(node), nodes: Number(nodes), patience: Number(patience) })()
if (E.isLeft(met)) {
  process.stderr.write(showFault(met.left))
  process.exit(1)
}
const beats = { count: 0 }
const beating = setInterval(() => {
  beats.count++
}, 10)
const client = await joinClient(plugin, {}, met.right)
clearInterval(beating)
process.stdout.write(`${client.device}\n${beats.count > 3 ? 'the main thread went on' : `${beats.count} beats`}\n`)
client.close()
