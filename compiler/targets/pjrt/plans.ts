/**
 * Compiled programs, and those that have been compiled before: an executable lies in the cache under the fingerprint of its graph, the
 * plugin and the options, whole or not at all. What cannot be read, or what the plugin does not take, is compiled again.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { graphFingerprint } from '../native/fingerprint.ts'
import { markUsed, prune } from '../native/prune.ts'
import type { Client, Loaded } from './client.ts'
import type { Module } from './print.ts'
import { readSealed, writeSealed } from '../native/sealed.ts'

/** A program as it is called: what it is given and what it gives, by path. */
export interface Built {
  readonly loaded: Loaded
  readonly text: string
  /** The paths of the arguments, in order. */
  readonly given: ReadonlyArray<string>
}

const bytes = new t.Type<Uint8Array, Uint8Array>(
  'bytes',
  (u): u is Uint8Array => u instanceof Uint8Array,
  (u, c) => (u instanceof Uint8Array ? t.success(u) : t.failure(u, c)),
  (b) => b,
)

const stored = t.strict({
  format: t.literal('dinograph-pjrt-1'),
  text: t.string,
  given: t.readonlyArray(t.string),
  executable: bytes,
})

const found = async (client: Client, path: string): Promise<Built | undefined> => {
  try {
    const kept = await readSealed(path, stored)
    if (kept === undefined) return undefined
    const { text, given, executable } = kept
    const loaded = await client.deserialize(executable)
    await markUsed([path])
    return { loaded, text, given }
  } catch {
    return undefined
  }
}

const keep = async (folder: string, path: string, built: Built): Promise<Fault | undefined> => {
  try {
    const { text, given, loaded } = built
    await writeSealed(path, stored, { format: 'dinograph-pjrt-1', text, given, executable: loaded.serialized() })
    await prune(folder)
    return undefined
  } catch (e) {
    return fault('io', {
      place: folder,
      found: messageOf(e),
      allowed: 'a cache folder that can be written',
      remedy: 'set XDG_CACHE_HOME to a folder of your own',
    })
  }
}

/** What programs are made with, and by which name they are found again. */
export interface Maker {
  readonly client: Client
  readonly folder: string
  readonly options: Uint8Array
  readonly print: (g: Graph) => E.Either<Fault, Module>
  /** Everything besides the graph that decides what comes out: plugin, processor, this compiler's own code. */
  readonly context: ReadonlyArray<string>
}

/** A graph's program, from the cache or compiled now. What is thrown is a fault. */
export const builtOf = async (g: Graph, { client, folder, options, print, context }: Maker): Promise<E.Either<Fault, Built>> => {
  const key = graphFingerprint([...context, Buffer.from(options).toString('hex')], g)
  const path = join(folder, `plan-${key ?? ''}.msgpack`)
  const before = key === undefined ? undefined : await found(client, path)
  if (before !== undefined) return E.right(before)
  const module = print(g)
  if (E.isLeft(module)) return module
  const { text, leaves } = module.right
  const built: Built = { loaded: await client.compile(text, options), text, given: leaves.map((l) => l.path) }
  const wrong = await keep(folder, path, built)
  if (wrong === undefined) return E.right(built)
  built.loaded.free()
  return E.left(wrong)
}
