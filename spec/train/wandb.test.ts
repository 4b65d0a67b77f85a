/** Files of Weights & Biases: the frame as LevelDB's page says it, the messages, and what a run that goes on keeps. */
import { mkdtemp, readFile, readdir, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fieldsOf, framed, opening, recordsIn } from '../../train/run/log/wandb-file.ts'
import type { WandbOptions } from '../../train/run/log/wandb.ts'
import { openWandb } from '../../train/run/log/wandb.ts'
import { right } from '../data/either.ts'

const fileOf = (records: ReadonlyArray<Uint8Array>): Buffer =>
  records.reduce<Buffer>((file, r) => Buffer.concat([file, framed(file.length, r)]), Buffer.from(opening))

/** As texts, which are compared at once. */
const shown = (records: ReadonlyArray<Uint8Array> | undefined): ReadonlyArray<string> | undefined =>
  records?.map((r) => Buffer.from(r).toString('latin1'))

const lengths = fc.array(fc.oneof(fc.nat(40), fc.integer({ min: 32700, max: 32780 }), fc.nat(100000)), { maxLength: 12 })

describe('the frame', () => {
  test('is as the client writes it', () => {
    // wandb.sdk.internal.datastore.DataStore of wandb 0.17.9, one record of the bytes 1, 2, 3
    expect(fileOf([Uint8Array.of(1, 2, 3)]).toString('hex')).toBe('3a572642e1be0076e10533030001010203')
  })
  test('gives back all records, of any length, and those before a place where the file is torn', () => {
    fc.assert(
      fc.property(lengths, fc.double({ min: 0, max: 1, noNaN: true }), (sizes, share) => {
        const records = sizes.map((n, i) => Buffer.alloc(n, i + 1))
        const file = fileOf(records)
        expect(shown(recordsIn(file))).toEqual(shown(records))
        const torn = recordsIn(file.subarray(0, opening.length + Math.floor(share * (file.length - opening.length))))
        expect(shown(torn)).toEqual(shown(records.slice(0, torn?.length)))
      }),
      { numRuns: 40 },
    )
  })
  test('is told from other files, and a byte that has changed ends what is read', () => {
    const file = fileOf([Buffer.alloc(10, 1), Buffer.alloc(10, 2)])
    file[file.length - 1] ^= 1
    expect(recordsIn(file)).toEqual([Buffer.alloc(10, 1)])
    expect(recordsIn(Buffer.from('no such file at all'))).toBeUndefined()
    expect(recordsIn(new Uint8Array())).toBeUndefined()
  })
})

const inside = (m: number | Uint8Array | undefined): ReadonlyMap<number, number | Uint8Array> =>
  fieldsOf(m instanceof Uint8Array ? m : new Uint8Array())

const options = (out: string, said: Array<string>, more: Partial<WandbOptions> = {}): WandbOptions => ({
  project: 'digits',
  entity: '',
  out,
  name: 'a run',
  config: { steps: 6, model: { width: 8 } },
  resumeAt: undefined,
  now: () => 1_700_000_000_500,
  say: (text) => {
    said.push(text)
  },
  ...more,
})

const filesIn = async (out: string): Promise<ReadonlyArray<string>> =>
  (await readdir(join(out, 'wandb'), { recursive: true })).filter((name) => name.endsWith('.wandb')).map((name) => join(out, 'wandb', name))

/** What each record is, with the step of histories. */
const told = async (path: string): Promise<ReadonlyArray<string>> =>
  (recordsIn(await readFile(path)) ?? []).map((r, i) => {
    const fields = fieldsOf(r)
    expect(fields.get(1)).toBe(i + 1)
    const [kind] = [...fields.keys()].filter((f) => f !== 1)
    return kind === 2
      ? `step ${String(inside(inside(fields.get(2)).get(2)).get(1))}`
      : ({ 3: 'summary', 17: 'run', 18: 'exit', 21: 'header' }[kind] ?? '')
  })

describe('a run', () => {
  test('is one file: what it is, its steps, what they came to and how it ended; one that goes on has each step once', async () => {
    const [out, said] = [await mkdtemp(join(tmpdir(), 'dinograph-wandb-')), new Array<string>()]
    const log = right(await openWandb(options(out, said, { entity: 'team' }))())
    for (let step = 1; step <= 3; step++) right(await log.append({ step, 'loss.dino': 1 / step, bad: NaN, skipped: true })())
    right(await log.settle())
    for (let step = 4; step <= 5; step++) right(await log.append({ step, loss: 9 })())
    right(await log.close('stopped')())
    const [path] = await filesIn(out)
    expect(path).toMatch(/wandb\/offline-run-20231114_221320-(\w{8})\/run-\1\.wandb$/)
    expect(said).toEqual([`for Weights & Biases, to be sent by wandb sync: ${join(path, '..')}`])
    expect(await told(path)).toEqual(['header', 'run', 'step 1', 'step 2', 'step 3', 'summary', 'step 4', 'step 5', 'summary', 'exit'])
    const text = await readFile(path, 'latin1')
    for (const part of ['digits', 'team', 'a run', '{"width":8}', 'loss/dino', '0.3333333333333333', '"NaN"', '"stopped"'])
      expect(text).toContain(part)

    // as a crash leaves it: marks of what was sent, and a torn end
    await writeFile(`${path}.synced`, '')
    await truncate(path, text.length - 3)
    const again = right(await openWandb(options(out, said, { resumeAt: 3, now: () => 1_700_000_060_000 }))())
    right(await again.append({ step: 4, loss: 0.25 })())
    right(await again.close('finished')())
    expect(await readdir(join(path, '..'))).toEqual([path.split('/').at(-1)])
    expect(await told(path)).toEqual(['header', 'run', 'step 1', 'step 2', 'step 3', 'summary', 'step 4', 'summary', 'exit'])
    expect(await readFile(path, 'latin1')).toContain('"finished"')
    expect(await readFile(path, 'latin1')).toContain('59.5')
  })
  test('that goes on without a file of before, or with one that is none, begins one', async () => {
    const out = await mkdtemp(join(tmpdir(), 'dinograph-wandb-'))
    for (const resumeAt of [7, 8]) {
      const log = right(await openWandb(options(out, [], { resumeAt }))())
      right(await log.append({ step: resumeAt + 1, loss: 1 })())
      right(await log.close('failed')())
      const files = await filesIn(out)
      expect(files).toHaveLength(1)
      expect((await told(files[0])).at(2)).toBe(`step ${resumeAt + 1}`)
      await writeFile(files[0], 'what it is no more')
    }
  })
})
