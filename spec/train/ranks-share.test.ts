/** What ranks share besides arithmetic, as processes: the images that they read, of training and of evaluations, and what they save. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { mkdtemp, readFile, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { describe, expect, test } from 'vitest'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { writePng } from '../../data/readers/pictures/picture.ts'
import { writeInitial } from '../../train/exchange/transfer/description.ts'
import { readCheckpoint } from '../../train/run/checkpoint.ts'
import { right } from '../data/either.ts'
import { backbones } from '../huggingface/backbones.ts'
import { noRanks, underMpi } from '../support/mpi.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { lossesIn } from './losses.ts'
import { quick } from './quick.ts'
import { started } from '../support/built.ts'

const dinograph = 'train/cli/dinograph.ts'
const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-share-'))

const alone = (given: ReadonlyArray<string>): string => {
  const r = spawnSync(process.execPath, started(given), { encoding: 'utf8' })
  expect(r.status, r.stderr).toBe(0)
  return r.stdout
}

const ranks = async (n: number, given: ReadonlyArray<string>): Promise<string> => {
  const r = await underMpi(n, ['node', ...started(given)])
  expect(r.code, r.err).toBe(0)
  return r.out
}

const checkpointIn = (out: string, step: number): string => join(out, 'checkpoints', `step-0000000${step}.dino`)

describe.skipIf(noRanks !== undefined)(`ranks${noRanks === undefined ? '' : ` (left out: ${noRanks})`}`, () => {
  test('read each its own images of an epoch, and all of them together', { timeout: 240_000 }, async () => {
    const out = await folder()
    await ranks(2, ['spec/train/reading.ts', out, 'fsdp'])
    const [a, b] = await Promise.all(
      [0, 1].map(async (r) => {
        const read = t.array(t.number).decode(JSON.parse(await readFile(join(out, `reads-${r}.json`), 'utf8')))
        return E.isRight(read) ? read.right : []
      }),
    )
    // an epoch of 32 images; the run's report may look at some again
    expect(new Set([...a.slice(0, 16), ...b.slice(0, 16)]).size).toBe(32)
  })

  test('save what any number of them goes on from: two, one, four', { timeout: 600_000 }, async () => {
    const out = join(await folder(), 'run')
    const first = [
      ...[dinograph, 'train', ...quick.map((w) => (w.endsWith('v1.yaml') ? 'examples/recipes/v2.yaml' : w))],
      // of this width tensors are split; class tokens of a network that has learnt nothing coincide, and KoLeo is of their rounding
      ...['model.width=32', 'objective.koleo=0', 'runtime.checkpoints.keepLast=9', 'accelerator.strategy=fsdp', 'data.workers=0'].flatMap(
        (s) => ['--set', s],
      ),
      ...['--steps', '6', '--out', out],
    ]
    const again = [dinograph, 'train', '--resume', '--out', out]
    await ranks(2, first)
    const losses = await lossesIn(out)
    const state = right(await readCheckpoint(checkpointIn(out, 6))()).state
    await Promise.all([4, 6].map((step) => unlink(checkpointIn(out, step))))
    await ranks(2, again)
    // as many ranks: to the bit
    expect(await lossesIn(out)).toEqual(losses)
    for (const [path, x] of right(await readCheckpoint(checkpointIn(out, 6))()).state) expect(x.data, path).toEqual(state.get(path)?.data)
    await Promise.all([4, 6].map((step) => unlink(checkpointIn(out, step))))
    alone(again)
    expectClose(await lossesIn(out), losses, 1e-5, 'one rank')
    await unlink(checkpointIn(out, 6))
    await ranks(4, again)
    expectClose(await lossesIn(out), losses, 1e-5, 'four ranks')
  })

  test('make features and judge them in shares, and the first one writes and prints', { timeout: 600_000 }, async () => {
    const root = await folder()
    const [model, pictures] = [join(root, 'model'), join(root, 'pictures')]
    right(await writeInitial(model, backbones.dinov2_with_registers, 1)())
    for (const [k, kind] of ['left', 'right'].entries()) {
      mkdirSync(join(pictures, kind), { recursive: true })
      for (let i = 0; i < 9; i++) {
        const data = Float32Array.from(wave(256, 18 * k + i), (x, p) =>
          Math.max(0, Math.min(1, (p % 16 < 8 === (k === 0) ? 0.7 : 0.3) + 0.2 * x)),
        )
        right(await writePng(join(pictures, kind, `${i}.png`))({ channels: 1, height: 16, width: 16, data })())
      }
    }
    const given = ['--model', model, '--data', pictures, '--target', 'native', '--json']
    const [one, two] = [join(root, 'one.safetensors'), join(root, 'two.safetensors')]
    alone([dinograph, 'features', ...given, '--out', one])
    const said = await ranks(2, [dinograph, 'features', ...given, '--out', two])
    expect(said.match(/written to/g)?.length).toBe(1)
    const [a, b] = [right(await readSafetensors(one)()), right(await readSafetensors(two)())]
    expect([...b.tensors.keys()]).toEqual([...a.tensors.keys()])
    for (const [name, x] of a.tensors) {
      const y = b.tensors.get(name)
      expect(y?.shape, name).toEqual(x.shape)
      expectClose(Array.from(y?.data ?? [], Number), Array.from(x.data, Number), 1e-5, name)
    }
    const judge = [dinograph, 'evaluate', 'knn', ...given, '--k', '1,3']
    const [mine, theirs] = [alone(judge), await ranks(2, judge)]
    // the table, the line of metrics and the object, once each
    expect(theirs).toBe(mine)
  })

  test('tell once what they cannot do', { timeout: 240_000 }, async () => {
    const root = await folder()
    const [model, pictures] = [join(root, 'model'), join(root, 'pictures')]
    right(await writeInitial(model, backbones.dinov2_with_registers, 1)())
    mkdirSync(pictures)
    for (let i = 0; i < 4; i++)
      right(
        await writePng(join(pictures, `${i}.png`))({
          channels: 1,
          height: 16,
          width: 16,
          data: Float32Array.from(wave(256, i), Math.abs),
        })(),
      )
    const given = ['--model', model, '--data', pictures, '--target', 'gpujs:cpu', '--out', join(root, 'x.npz')]
    const odd = await underMpi(2, ['node', ...started([dinograph, 'features', ...given])])
    expect(odd.code).toBe(2)
    expect(odd.err.match(/fault at/g)?.length).toBe(1)
  })
})
