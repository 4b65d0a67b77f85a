/**
 * Steps on several devices by three runtimes: our text of a distributed step, by the plugin that `pjrt:cpu` opens and by jaxlib's own CPU
 * client, and the undistributed step by `reference`. `npx tsx spec/interop/devices.ts VENV/bin/python [STEPS]`; the environment has jax
 * (devices.py). Exit code 0 if losses and states agree within 1e-5 of their largest entry.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DistributionName } from '../../compiler/distribute/strategy.ts'
import { distribute, stateSplit } from '../../compiler/distribute/strategy.ts'
import { followGraph } from '../../compiler/road.ts'
import type { Device, HostArray } from '../../compiler/target.ts'
import { fed as given } from '../../compiler/targets/feed.ts'
import { hostPart } from '../../compiler/targets/parts.ts'
import { moduleOf } from '../../compiler/targets/pjrt/print.ts'
import { pjrtRoad } from '../../compiler/targets/pjrt/road.ts'
import { openPjrt } from '../../compiler/targets/pjrt/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import { isResident, leavesOfGraph } from '../../core/graph.ts'
import type { TensorType } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import type { Split } from '../../compiler/distribute/placement.ts'
import { writeResidents } from '../../train/run/state.ts'
import { table } from '../bench/table.ts'
import { right } from '../data/either.ts'
import { firstValues } from '../strategies/networks.ts'
import { clipped, fed, options } from '../targets/ranked.ts'

const [python = 'python3', count = '5'] = process.argv.slice(2)
const steps = Number(count)
const script = fileURLToPath(new URL('devices.py', import.meta.url))
const program = clipped()
const first = firstValues(program)
const feedOf = (step: number) => ({ values: fed(step), seed: 1, step })

type State = ReadonlyMap<string, HostArray>

/** Losses of all steps, and the state after them. */
const trained = async (device: Device): Promise<{ readonly losses: ReadonlyArray<number>; readonly state: State }> => {
  right(await writeResidents(device, program.residents)(first)())
  const step = right(await device.compile(program.graph, { images: options.images })())
  const losses: Array<number> = []
  for (const s of range(steps)) losses.push(right(await step.run(feedOf(s))()).get('loss')?.[0] ?? NaN)
  const state = new Map<string, HostArray>()
  for (const { path } of program.residents) state.set(path, right(await device.read(path)()))
  device.close()
  return { losses, state }
}

/** The largest difference, as a share of the largest entry of its tensor or of 1. */
const apart = (a: State, b: State): number => {
  let most = 0
  for (const [path, expected] of b) {
    const got = a.get(path)
    let [scale, off] = [1, got?.length === expected.length ? 0 : Infinity]
    for (let i = 0; i < expected.length; i++) {
      scale = Math.max(scale, Math.abs(expected[i]))
      off = Math.max(off, Math.abs((got?.[i] ?? NaN) - expected[i]))
    }
    most = Math.max(most, off / scale)
  }
  return most
}

const types = new Map(leavesOfGraph(program.graph).map((l) => [l.path, l.type]))

/** A tensor's bytes as each device has them. */
const partsOf = (path: string, type: TensorType, split: Split | undefined, data: HostArray, devices: number): ReadonlyArray<Buffer> =>
  range(devices).map((r) => {
    const part = split === undefined ? data : hostPart(data, types.get(path) ?? type, split, devices, r)
    return Buffer.from(part.buffer, part.byteOffset, part.byteLength)
  })

/** The same by jaxlib: arguments of all devices lie in files, what comes of them is read from what the script prints. */
const byJaxlib = (strategy: DistributionName, devices: number, expected: { losses: ReadonlyArray<number>; state: State }) => {
  const d = right(distribute({ strategy, ranks: devices, images: options.images })(program.graph))
  const { text, leaves, outputs } = right(
    moduleOf(right(followGraph({ ...pjrtRoad, ranks: true })(d.graph)), { precision: 'highest', apart: true, devices }),
  )
  const folder = mkdtempSync(join(tmpdir(), 'dinograph-devices-'))
  const put = (name: string, parts: ReadonlyArray<Buffer>): void => {
    parts.forEach((bytes, r) => {
      writeFileSync(join(folder, `${name}.${r}`), bytes)
    })
  }
  const splitOf = (path: string): Split | undefined => {
    const whole = types.get(path)
    return strategy === 'fsdp' && whole !== undefined ? stateSplit(whole, devices) : undefined
  }
  for (const [i, l] of leaves.entries()) {
    if (isResident(l)) {
      put(`first.${i}`, partsOf(l.path, l.type, splitOf(l.path), first.get(l.path) ?? new Float32Array(0), devices))
      continue
    }
    const source = l.source
    if (source._tag === 'Param' || source._tag === 'State') continue
    for (const s of range(steps)) {
      const whole = right(given(types.get(l.path) ?? l.type, source, feedOf(s)))
      put(`step${s}.${i}`, partsOf(l.path, l.type, d.parts.get(l.path), whole, devices))
    }
  }
  const states = outputs.flatMap((o, i) => (o.role === 'state' ? [{ path: o.path, at: i }] : []))
  for (const { path, at } of states)
    put(
      `expected.${at}`,
      partsOf(path, types.get(path) ?? outputs[at].expr.type, splitOf(path), expected.state.get(path) ?? new Float32Array(0), devices),
    )
  const manifest = {
    ...{ devices, steps, losses: expected.losses, loss: outputs.findIndex((o) => o.path === 'loss') },
    arguments: leaves.map((l) => ({ dtype: l.type.dtype, shape: l.type.shape, resident: isResident(l) })),
    states: states.map(({ path, at }) => ({ at, argument: leaves.findIndex((l) => l.path === path) })),
  }
  writeFileSync(join(folder, 'text'), text)
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest))
  const done = spawnSync(python, [script, folder], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(done.stderr)
  const [losses, state] = done.stdout.trim().split(' ').map(Number)
  return { losses, state }
}

const alone = await trained(right(await reference.open()))
const rows: Array<ReadonlyArray<string>> = []
let worst = 0
for (const strategy of ['ddp', 'fsdp'] as const)
  for (const devices of [2, 4]) {
    const ours = await trained(right(await openPjrt('cpu', { devices, strategy, say: () => undefined })()))
    const losses = Math.max(...ours.losses.map((l, i) => Math.abs(l - alone.losses[i]) / Math.abs(alone.losses[i])))
    const theirs = byJaxlib(strategy, devices, ours)
    const all = [losses, apart(ours.state, alone.state), theirs.losses, theirs.state]
    worst = Math.max(worst, ...all)
    rows.push([`${strategy}, ${devices} devices`, ...all.map((x) => x.toExponential(1))])
  }
process.stdout.write(
  `${table(['', 'losses: ours, reference', 'states: ours, reference', 'losses: jaxlib, ours', 'states: jaxlib, ours'], rows)}\n`,
)
process.exitCode = worst <= 1e-5 ? 0 : 1
