/**
 * Native code of another processor, against the reference: two steps of a small DINO and some random graphs are compiled by a cross
 * compiler together with the runtime, and run by an emulator (or here, where the processor is this one).
 *
 *     npx tsx spec/targets/foreign.ts                                      # arm64: aarch64-linux-gnu-gcc and qemu-aarch64
 *     npx tsx spec/targets/foreign.ts --cc 'clang -march=native' --run ''  # any other compiler
 *
 * Debian: apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import type { HostArray, HostValues } from '../../compiler/target.ts'
import { fed } from '../../compiler/targets/feed.ts'
import type { Blueprint } from '../../compiler/targets/native/blueprint.ts'
import { blueprintOf } from '../../compiler/targets/native/blueprint.ts'
import { findCompiler } from '../../compiler/targets/native/compiler.ts'
import { bytesOfType } from '../../compiler/targets/native/program.ts'
import { follow } from '../../compiler/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { unitsOf } from '../../compiler/targets/native/source.ts'
import { load, store } from '../../compiler/targets/native/storage.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Graph } from '../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../core/graph.ts'
import { bytesOf, isFloat, sizeOf } from '../../core/type.ts'
import { adamw } from '../../train/step/optimizer.ts'
import { feed, firstValues, programOf, run } from '../strategies/networks.ts'
import { graphOf, steps } from '../support/graphs.ts'
import { hostArray } from '../support/tensor.ts'

const runtimeFolder = fileURLToPath(new URL('../../compiler/targets/native/runtime/', import.meta.url))

const { values: asked } = parseArgs({
  options: { cc: { type: 'string', default: 'aarch64-linux-gnu-gcc -march=armv8-a' }, run: { type: 'string', default: 'qemu-aarch64' } },
})
const words = (text: string): ReadonlyArray<string> => text.split(' ').filter((w) => w !== '')
const [cc, ...ownFlags] = words(asked.cc)

const right = <A>(e: Either<{ readonly found: string }, A>): A => {
  if (E.isRight(e)) return e.right
  throw new Error(e.left.found)
}

const compiler = await findCompiler()
if ('_tag' in compiler) throw new Error(compiler.found)
const flags = [...compiler.flags.filter((f) => !/^-(shared|march=.*|mcpu=.*|f.*vectorize)$/.test(f)), ...ownFlags, `-I${runtimeFolder}`]

/** A program that reads all memories, runs the steps, and writes all memories. */
interface Foreign {
  readonly path: string
  readonly blueprint: Blueprint
  /** Bytes of each memory: arena, hypers, given, constants, residents. */
  readonly sizes: ReadonlyArray<number>
  readonly given: ReadonlyMap<string, number>
  readonly residents: ReadonlyMap<string, number>
  readonly constants: number
}

const mainSource = (
  b: Blueprint,
  units: number,
  sizes: ReadonlyArray<number>,
  memoryOf: (place: number) => readonly [number, number],
): string => {
  const first = b.units.map((_, i) => b.units.slice(0, i).reduce((n, u) => n + u, 0))
  const unitOf = (part: number): number => first.findLastIndex((f) => f <= part)
  return [
    '#include <stdio.h>',
    '#include <stdlib.h>',
    '#include "runtime.h"',
    'void dg_run(const void *steps, int64_t n, void *const *buffers, int32_t threads, double *times);',
    'void *dg_allocate(int64_t bytes);',
    ...Array.from({ length: units }, (_, i) => `int64_t dg_kernel_${i}(int32_t i);`),
    `static const long sizes[] = {${sizes.join(', ')}};`,
    `static void *memory[${sizes.length}];`,
    'int main(int argc, char **argv) {',
    '  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");',
    `  for (int i = 0; i < ${sizes.length}; i++) { memory[i] = dg_allocate(sizes[i]); if (fread(memory[i], 1, sizes[i], in) != (size_t)sizes[i]) return 2; }`,
    `  int64_t steps[][4] = {${b.steps.map(([part, bytes, ...places]) => `{${part < 0 ? '0, 0' : `dg_kernel_${unitOf(part)}(${part - first[unitOf(part)]}), 3`}, ${bytes}, ${places.length}}`).join(', ')}};`,
    `  void *buffers[] = {${b.steps.flatMap(([, , ...places]) => places.map((p) => `(char *)memory[${memoryOf(p)[0]}] + ${memoryOf(p)[1]}`)).join(', ')}};`,
    `  dg_run(steps, ${b.steps.length}, buffers, 2, NULL);`,
    `  for (int i = 0; i < ${sizes.length}; i++) if (fwrite(memory[i], 1, sizes[i], out) != (size_t)sizes[i]) return 3;`,
    '  fclose(out);',
    '  return 0;',
    '}',
    '',
  ].join('\n')
}

const folder = mkdtempSync(join(tmpdir(), 'dinograph-foreign-'))
const counted = { programs: 0 }

const compiled = (g: Graph): Foreign => {
  const plan = right(follow(nativeRoad())(g))
  const units = unitsOf(plan.kernels.map((k) => k.kernel))
  const b = blueprintOf(plan, units)
  const leaves = new Map(leavesOfGraph(g).map((l) => [l.path, l]))
  const resident = [
    ...new Map([
      ...leavesOfGraph(g)
        .filter(isResident)
        .map((l) => [l.path, bytesOfType(l.type)] as const),
      ...g.outputs.filter((o) => o.role === 'state').map((o) => [o.path, bytesOfType(o.expr.type)] as const),
    ]),
  ]
  const names = b.given.filter((p) => !b.hypers.includes(p))
  const atLeast = (n: number): number => Math.max(n, 64)
  const sizes = [
    atLeast(b.arenaBytes),
    atLeast(4 * b.hypers.length),
    ...names.map((p) => atLeast(bytesOfType(leaves.get(p)?.type ?? { dtype: 'f32', shape: [] }))),
    ...b.constants.map((c) => atLeast(c.length * bytesOf(c.dtype))),
    ...resident.map(([, n]) => atLeast(n)),
  ]
  const given = new Map(names.map((p, i) => [p, 2 + i]))
  const constants = 2 + names.length
  const residents = new Map(resident.map(([p], i) => [p, constants + b.constants.length + i]))
  const memoryOf = (n: number): readonly [number, number] => {
    const p = b.places[n]
    switch (p._tag) {
      case 'Arena':
        return [0, p.offset]
      case 'Hyper':
        return [1, 0]
      case 'Given':
        return [given.get(p.path) ?? 1, 0]
      case 'Constant':
        return [constants + p.constant, 0]
      case 'Resident':
        return [residents.get(p.path) ?? -1, 0]
    }
  }
  const base = join(folder, `p${counted.programs++}`)
  const object = (name: string, text: string, more: ReadonlyArray<string>): string => {
    writeFileSync(`${base}.${name}.c`, text)
    execFileSync(cc, [...flags, ...more, '-c', `${base}.${name}.c`, '-o', `${base}.${name}.o`])
    return `${base}.${name}.o`
  }
  const objects = [
    ...units.map((u, i) => object(`unit${i}`, u.source, [`-Ddg_kernel=dg_kernel_${i}`])),
    object('main', mainSource(b, units.length, sizes, memoryOf), []),
    ...[...compiler.runtime].filter(([f]) => f.endsWith('.c')).map(([f, text]) => object(f.replace('.c', ''), text, [])),
  ]
  execFileSync(cc, [...ownFlags, ...objects, '-o', base, '-static', '-lm', '-lpthread'], { stdio: ['ignore', 'inherit', 'ignore'] })
  return { path: base, blueprint: b, sizes, given, residents, constants }
}

const start = (f: Foreign, i: number): number => f.sizes.slice(0, i).reduce((n, s) => n + s, 0)

/** Runs once; the residents are replaced by their new values. */
const once = (f: Foreign, g: Graph, values: HostValues, residents: Map<string, HostArray>, step: number): HostValues => {
  const { blueprint: b } = f
  const memory = new ArrayBuffer(start(f, f.sizes.length))
  for (const l of leavesOfGraph(g)) {
    const resident = f.residents.get(l.path)
    if (l.source._tag === 'Param' || l.source._tag === 'State') {
      if (resident !== undefined)
        store(l.type.dtype, memory, start(f, resident), residents.get(l.path) ?? new Float32Array(sizeOf(l.type.shape)))
      continue
    }
    if (!b.given.includes(l.path)) continue
    const data = right(fed(l.type, l.source, { values, seed: 1, step }))
    const at = f.given.get(l.path)
    if (at === undefined) new Float32Array(memory, start(f, 1))[b.hypers.indexOf(l.path)] = data[0]
    else store(l.type.dtype, memory, start(f, at), data)
  }
  b.constants.forEach((c, i) => {
    store(
      c.dtype,
      memory,
      start(f, f.constants + i),
      c.values.length === 1 ? new Float64Array(c.length).fill(c.values[0]) : Float64Array.from(c.values),
    )
  })
  writeFileSync(`${f.path}.in`, new Uint8Array(memory))
  const [emulator, ...more] = words(asked.run)
  if (emulator === undefined) execFileSync(f.path, [`${f.path}.in`, `${f.path}.out`])
  else execFileSync(emulator, [...more, f.path, `${f.path}.in`, `${f.path}.out`])
  const out = new Uint8Array(readFileSync(`${f.path}.out`)).buffer
  for (const o of g.outputs)
    if (o.role === 'state')
      residents.set(o.path, load(o.expr.type.dtype, out, start(f, f.residents.get(o.path) ?? -1), sizeOf(o.expr.type.shape)))
  return new Map(
    b.values.flatMap((v) => {
      const type = g.outputs.find((o) => o.role === 'value' && o.path === v.path)?.expr.type
      const p = b.places[v.place]
      const at =
        p._tag === 'Arena'
          ? p.offset
          : p._tag === 'Given'
            ? start(f, f.given.get(p.path) ?? -1)
            : p._tag === 'Resident'
              ? start(f, f.residents.get(p.path) ?? -1)
              : p._tag === 'Constant'
                ? start(f, f.constants + p.constant)
                : start(f, 1)
      return type === undefined ? [] : [[v.path, load(type.dtype, out, at, sizeOf(type.shape))] as const]
    }),
  )
}

/** The largest difference, in parts of what is allowed: 1e-4 of the tensor's largest value for floats, nothing for others. */
const worst = (got: HostArray, expected: ArrayLike<number>, float: boolean): number => {
  const scale = Array.from(expected).reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3) * (float ? 1e-4 : 1e-9)
  return Array.from(got).reduce((m, x, i) => Math.max(m, Object.is(x, expected[i]) ? 0 : Math.abs(x - expected[i]) / scale), 0)
}

const failures: Array<string> = []
const tell = (name: string, ratio: number): void => {
  if (!(ratio <= 1)) failures.push(name)
  process.stdout.write(`${ratio <= 1 ? 'PASS' : 'FAIL'} ${name}  ${ratio.toPrecision(3)}\n`)
}

const trainingStep = async (): Promise<void> => {
  // a large eps: gradients that are zero but for rounding (of the keys' biases) would move by their sign
  const o = { width: 48, depth: 2, image: 16, images: 4, locals: 2, optimizer: adamw({ eps: 1e-2 }) }
  const p = programOf(E.right, o)
  const expected = await run(p, 2, o)
  const f = compiled(p.graph)
  const residents = new Map<string, HostArray>(firstValues(p))
  for (let step = 0; step < 2; step++) {
    const got = once(f, p.graph, feed(o, 3 * step), residents, step)
    for (const [path, v] of expected.values[step]) tell(`step ${step} ${path}`, worst(got.get(path) ?? new Float32Array(), v, true))
  }
  const ratios = p.residents.map((r) => worst(residents.get(r.path) ?? new Float32Array(), expected.state.get(r.path) ?? [], true))
  tell(`${p.residents.length} tensors of state after two steps of ${f.blueprint.steps.length} kernels`, Math.max(...ratios))
}

const randomGraph = (list: Parameters<typeof graphOf>[0], name: string): void => {
  const r = graphOf(list)
  const given = new Map([...r.values].map(([path, t]) => [path, hostArray(t)] as const))
  const draws = leavesOfGraph(r.graph).flatMap((l) =>
    l.source._tag === 'Draw' ? [[l.path, right(fed(l.type, l.source, { values: given, seed: 1, step: 0 }))] as const] : [],
  )
  const expected = evaluate(
    r.graph.outputs.map((o) => o.expr),
    new Map([...given, ...draws]),
  )
  const residents = new Map<string, HostArray>(given)
  const got = once(compiled(r.graph), r.graph, given, residents, 0)
  r.graph.outputs.forEach((o, i) => {
    const have = o.role === 'value' ? got.get(o.path) : residents.get(o.path)
    tell(`${name} ${o.path}`, worst(have ?? new Float32Array(), expected[i], isFloat(o.expr.type.dtype)))
  })
}

try {
  process.stdout.write(
    `${execFileSync(cc, ['--version'], { encoding: 'utf8' }).split('\n')[0]} ${ownFlags.join(' ')}, run by ${asked.run === '' ? 'this machine' : asked.run}\n`,
  )
  await trainingStep()
  fc.sample(steps(), { numRuns: 6, seed: 5 }).forEach((list, i) => {
    randomGraph(list, `random graph ${i}`)
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failures.length === 0 ? 0 : 1
