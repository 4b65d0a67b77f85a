/**
 * What a plan depends on, as one hash: every node of the graph with what its elements are, and this compiler's own code. Equal
 * fingerprints mean equal plans, however the graph was traced and whatever its primitives are called.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Apply, Leaf } from '../../../core/expr.ts'
import { keyOf, scopeOf } from '../../../core/expr.ts'
import type { Graph } from '../../../core/graph.ts'
import { nodesOf } from '../../../core/graph.ts'
import { showType } from '../../../core/type.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The rooms that make plans: what is written there decides what comes out. */
const rooms = ['core', 'ops', 'compiler']

const codeFiles = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { withFileTypes: true })
  const inside = await Promise.all(
    entries.map((e) =>
      e.isDirectory() ? codeFiles(join(folder, e.name)) : Promise.resolve(/\.[cm]?[jt]s$/.test(e.name) ? [join(folder, e.name)] : []),
    ),
  )
  return inside.flat().sort()
}

/** The hash of this compiler's own code. */
export const codeFingerprint = async (): Promise<string> => {
  const files = (await Promise.all(rooms.map((r) => codeFiles(join(root, r))))).flat()
  const texts = await Promise.all(files.map((f) => readFile(f)))
  const hash = createHash('sha256')
  texts.forEach((text, i) => hash.update(`${files[i].slice(root.length)} ${text.length} `).update(text))
  return hash.digest('hex')
}

const leafText = (e: Leaf): string => `leaf ${showType(e.type)} ${keyOf(e.source)}`

const meaningText = (e: Apply): string => {
  const args = e.args.map((a) => a.type)
  return keyOf([e.op.lower(args, e.type), e.op.scatter._tag === 'Some' ? { ...e.op.scatter.value(args, e.type) } : null])
}

/** The hash of a graph and of `context`; undefined where it has an `Invalid` in it. */
export const graphFingerprint = (context: ReadonlyArray<string>, g: Graph): string | undefined => {
  const hash: Hash = createHash('sha256')
  for (const c of context) hash.update(`${c.length} `).update(c)
  const position = new Map<unknown, number>()
  const described = new Set<string>()
  for (const e of nodesOf(g)) {
    if (e._tag === 'Invalid') return undefined
    position.set(e, position.size)
    if (e._tag === 'Leaf') {
      hash.update(`${leafText(e)}\n`)
      continue
    }
    const op = `${e.op.key} ${e.args.map((a) => showType(a.type)).join()} ${showType(e.type)}`
    // scopes are the names of kernels
    hash.update(
      `${op} (${e.args.map((a) => position.get(a)).join()}) ${e.region._tag === 'Some' ? `@${e.region.value}` : ''} ${scopeOf(e)}\n`,
    )
    if (!described.has(op)) hash.update(`${meaningText(e)}\n`)
    described.add(op)
  }
  for (const o of g.outputs) hash.update(`${o.role} ${o.path} ${position.get(o.expr)}\n`)
  return hash.digest('hex').slice(0, 40)
}
