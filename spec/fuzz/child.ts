/** A process that damages and reads: it is told a kind and numbers, says which input it begins with, and what is wrong with any. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { isFault, messageOf, showFault } from '../../core/fault.ts'
import { splitmix } from '../data/random.ts'
import type { Kind } from './kind.ts'
import { kinds } from './kinds.ts'
import { below, mutated } from './mutate.ts'
import { trials } from './trials.ts'

/** What a child is asked: inputs [from, from + count) of a kind; or one file. */
export type Order =
  | { readonly _tag: 'Inputs'; readonly kind: string; readonly seed: number; readonly from: number; readonly count: number }
  | { readonly _tag: 'File'; readonly kind: string; readonly path: string }

export type Reply =
  | { readonly _tag: 'Begins'; readonly input: number }
  | { readonly _tag: 'Wrong'; readonly input: number; readonly found: string }
  | { readonly _tag: 'Done'; readonly read: number; readonly refused: number }

/** An input by its number: the same in every process. */
export const inputOf = async (kind: Kind, seed: number, input: number, seeds: ReadonlyArray<Buffer>): Promise<Buffer> => {
  const r = splitmix(Math.imul(seed, 1000003) + Math.imul(input, 7919) + kind.name.length)
  return Promise.resolve(mutated(kind.structure, r, seeds[below(r, seeds.length)], seeds[below(r, seeds.length)]))
}

/** What must not be in the text of a refusal. */
const inner = /call stack|undefined|\[object|NaN bytes|is not a function|Cannot read propert|MessagePack data/

/** A refusal that a person cannot read is wrong, too. */
const wrongRefusal = (f: Fault): string | undefined => {
  const text = showFault(f)
  if ([f.place, f.found, f.allowed, f.remedy].some((part) => part === '')) return `a fault with an empty part:\n${text}`
  const said = inner.exec(f.found)
  return said !== null
    ? `a fault that speaks of inner things (${said[0]}):\n${text}`
    : text.length > 20_000
      ? `a fault of ${text.length} characters`
      : undefined
}

/** Reads one file; what is wrong, in words. */
export const tried = async (kind: Kind, path: string): Promise<{ readonly wrong: string | undefined; readonly refused: boolean }> => {
  try {
    const read = await kind.read(path, await readFile(path))
    return E.isRight(read) ? { wrong: read.right, refused: false } : { wrong: wrongRefusal(read.left), refused: true }
  } catch (e) {
    return { wrong: `thrown: ${isFault(e) ? showFault(e) : e instanceof Error ? (e.stack ?? e.message) : messageOf(e)}`, refused: true }
  }
}

const say = (r: Reply): void => {
  process.send?.(r)
}

const act = async (o: Order): Promise<void> => {
  const kind = [...kinds, ...trials].find((k) => k.name === o.kind)
  if (kind === undefined) throw new Error(`no kind ${o.kind}`)
  if (o._tag === 'File') {
    say({ _tag: 'Begins', input: 0 })
    const { wrong, refused } = await tried(kind, o.path)
    if (wrong !== undefined) say({ _tag: 'Wrong', input: 0, found: wrong })
    say({ _tag: 'Done', read: refused ? 0 : 1, refused: refused ? 1 : 0 })
    return
  }
  const seeds = await kind.seeds()
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-fuzz-'))
  for (const [name, bytes] of Object.entries((await kind.beside?.()) ?? {})) await writeFile(join(folder, name), bytes)
  let [read, refused] = [0, 0]
  for (let input = o.from; input < o.from + o.count; input++) {
    say({ _tag: 'Begins', input })
    await writeFile(join(folder, kind.file), await inputOf(kind, o.seed, input, seeds))
    const t = await tried(kind, join(folder, kind.file))
    if (t.wrong !== undefined) say({ _tag: 'Wrong', input, found: t.wrong })
    if (t.refused) refused++
    else read++
  }
  await rm(folder, { recursive: true, force: true })
  say({ _tag: 'Done', read, refused })
}

process.on('message', (o: Order) => void act(o))
process.on('disconnect', () => process.exit(0))
