/**
 * Graphs on their way to libraries, and those that have been there before: a graph's blueprint and the names of its libraries lie in the
 * cache under the graph's fingerprint, whole or not at all. What cannot be read, or names a library that is gone, is made again.
 */
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import type { KernelRoad } from '../../road.ts'
import { follow } from '../../road.ts'
import type { CompileOptions } from '../../target.ts'
import { stopped } from '../stop.ts'
import type { Blueprint } from './blueprint.ts'
import { blueprint, blueprintOf } from './blueprint.ts'
import type { Compiler } from './compiler.ts'
import { digestFile, stateOf } from './cache.ts'
import { cacheFault, identityOf, libraryOf } from './compiler.ts'
import { graphFingerprint } from './fingerprint.ts'
import { markUsed, prune } from './prune.ts'
import type { Unit } from './source.ts'
import { unitsOf } from './source.ts'
import { readSealed, writeSealed } from './sealed.ts'

/** A graph's blueprint and its compiled units: paths of libraries and their C text. */
export interface Built {
  readonly blueprint: Blueprint
  readonly libraries: ReadonlyArray<string>
  readonly source: ReadonlyArray<string>
}

const stored = t.strict({ format: t.literal('dinograph-plan-1'), libraries: t.readonlyArray(t.string), blueprint })

/** What lies under a path, if it is whole and all of its libraries are there. */
const found = async (c: Compiler, path: string): Promise<Built | undefined> => {
  try {
    const kept = await readSealed(path, stored)
    if (kept === undefined) return undefined
    const libraries = kept.libraries.map((name) => join(c.cache, name))
    const whole = await Promise.all(libraries.map((l) => stateOf(l)))
    if (!whole.every((x) => x === 'whole')) return undefined
    const texts = libraries.map((l) => l.replace(/\.so$/, '.0.c'))
    const source = await Promise.all(texts.map((f) => readFile(f, 'utf8')))
    await markUsed([path, ...libraries, ...libraries.map(digestFile), ...texts])
    return { blueprint: kept.blueprint, libraries, source }
  } catch {
    return undefined
  }
}

const keep = async (c: Compiler, path: string, built: Built): Promise<Fault | undefined> => {
  try {
    const libraries = built.libraries.map((l) => basename(l))
    await writeSealed(path, stored, { format: 'dinograph-plan-1', libraries, blueprint: built.blueprint })
    await prune(c.cache)
    return undefined
  } catch (e) {
    return cacheFault(c, e)
  }
}

/** What is compiled one by one. */
const unit = 'C units'

/** Compiles units side by side, on all cores whatever the threads of a run. */
const compiled = async (c: Compiler, units: ReadonlyArray<Unit>, o: CompileOptions): Promise<E.Either<Fault, ReadonlyArray<string>>> => {
  const paths = new Array<string | Fault>(units.length)
  const state = { next: 0, done: 0 }
  o.progress?.({ done: 0, total: units.length, unit })
  const worker = async (): Promise<void> => {
    for (let i = state.next++; i < units.length && o.stopping?.() !== true; i = state.next++) {
      paths[i] = await libraryOf(c, 'step', [units[i].source])
      o.progress?.({ done: ++state.done, total: units.length, unit })
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  if (state.done < units.length && o.stopping?.() === true)
    return E.left(stopped('native', { done: state.done, total: units.length, unit }, 'what has been compiled'))
  const libraries: Array<string> = []
  for (const path of paths) {
    if (typeof path !== 'string') return E.left(path)
    libraries.push(path)
  }
  return E.right(libraries)
}

/** What plans are made with, and by which name they are found again. */
export interface Maker {
  readonly compiler: Compiler
  readonly road: KernelRoad
  /** Everything besides the graph that decides what comes out: this compiler's own code, and the road's options. */
  readonly context: ReadonlyArray<string>
}

/** A graph's blueprint and libraries, from the cache or made now. */
export const builtOf = async (g: Graph, { compiler: c, road, context }: Maker, o: CompileOptions): Promise<E.Either<Fault, Built>> => {
  const key = graphFingerprint([...identityOf(c), ...context], g)
  const path = join(c.cache, `plan-${key ?? ''}.msgpack`)
  const before = key === undefined ? undefined : await found(c, path)
  if (before !== undefined) {
    o.progress?.({ done: before.libraries.length, total: before.libraries.length, unit })
    return E.right(before)
  }
  const plan = follow(road)(g)
  if (E.isLeft(plan)) return plan
  const units = unitsOf(plan.right.kernels.map((k) => k.kernel))
  const libraries = await compiled(c, units, o)
  if (E.isLeft(libraries)) return libraries
  const built: Built = { blueprint: blueprintOf(plan.right, units), libraries: libraries.right, source: units.map((u) => u.source) }
  const wrong = await keep(c, path, built)
  return wrong === undefined ? E.right(built) : E.left(wrong)
}
