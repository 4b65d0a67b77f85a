/**
 * The picture of the rooms: folders, files and lines, and how many imports go from each room to which others.
 *
 *     npx tsx spec/rooms/picture.ts
 */
import { arrows, circles, isPermitted, readOrder, roomOf, sources } from './rooms.ts'

const order = readOrder()
const rooms = Object.keys(order)
const all = sources([...new Set(rooms.map((r) => r.split('/')[0]))])
const found = arrows(rooms, all)
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))

const rows = rooms.map((room) => {
  const own = all.filter((s) => roomOf(rooms)(s.path) === room)
  const to = found.filter((a) => a.from === room).map((a) => `${a.to} ${a.imports.length}${isPermitted(order)(a) ? '' : ' (!)'}`)
  return [room, new Set(own.map((s) => folderOf(s.path))).size, own.length, own.reduce((n, s) => n + s.lines, 0), to.join(', ')] as const
})

const out: Array<string> = ['room              folders  files   lines  imports from']
for (const [room, folders, files, lines, to] of rows)
  out.push(`${room.padEnd(17)} ${String(folders).padStart(7)} ${String(files).padStart(6)} ${String(lines).padStart(7)}  ${to}`)
const up = found.filter((a) => !isPermitted(order)(a))
out.push(
  '',
  `${found.reduce((n, a) => n + a.imports.length, 0)} imports between rooms, ${up.reduce((n, a) => n + a.imports.length, 0)} of them against the order`,
)
for (const a of up) for (const i of a.imports) out.push(`  ${i}`)
const loops = circles(all)
out.push(`${loops.length} circles`)
for (const c of loops) out.push(`  ${c.join(' ')}`)
process.stdout.write(`${out.join('\n')}\n`)
