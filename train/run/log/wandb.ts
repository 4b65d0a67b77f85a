/**
 * Weights & Biases, as its client writes a run that is offline: one file with configuration, every step's numbers and how the run ended,
 * which `wandb sync` uploads. Nothing is sent from here, and no key is needed. A run that is continued goes on in the same file, from the
 * step at which it goes on; the messages are those of `wandb/proto/wandb_internal.proto`.
 */
import { createHash } from 'node:crypto'
import { open, readFile, readdir, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Bytes } from '../../../compiler/targets/onnx/protobuf.ts'
import { joined, text, whole, within } from '../../../compiler/targets/onnx/protobuf.ts'
import { codeOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Json } from '../../../data/formats/codec.ts'
import { guarded, writeFile } from '../../../data/formats/file.ts'
import type { Ending, Log, Tracked } from './log.ts'
import type { StepRecord } from './metrics.ts'
import { fieldsOf, framed, opening, recordsIn } from './wandb-file.ts'

export interface WandbOptions extends Tracked {
  readonly project: string
  /** The user or team; empty for who uploads. */
  readonly entity: string
}

/** A run as its file names it. */
interface Run {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly began: number
}

/** Fields of `Record` by what they hold. */
const of = { history: 2, summary: 3, run: 17, exit: 18, header: 21 } as const

/** JSON has no numbers that are not finite: these names stand for them, in quotes. */
const json = (value: Json): string => JSON.stringify(typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)

/** `HistoryItem`, `SummaryItem` and `ConfigItem` alike: a key, and a value as JSON. */
const item = (key: string, value: Json): Bytes => within(1, joined([text(1, key), text(16, json(value))]))

const items = (values: Readonly<Record<string, Json>>): Bytes => joined(Object.entries(values).map(([key, value]) => item(key, value)))

const configOf = (config: Json): Readonly<Record<string, Json>> =>
  typeof config === 'object' && config !== null && !Array.isArray(config) ? Object.fromEntries(Object.entries(config)) : { config }

const headerRecord = (): Bytes => within(of.header, within(1, text(1, 'dinograph')))

const runRecord = (o: WandbOptions, { id, began }: Run): Bytes =>
  within(
    of.run,
    joined([
      text(1, id),
      ...(o.entity === '' ? [] : [text(2, o.entity)]),
      text(3, o.project),
      within(4, items(configOf(o.config))),
      text(8, o.name),
      within(17, joined([whole(1, Math.floor(began / 1000)), whole(2, Math.round((began % 1000) * 1e6))])),
    ]),
  )

const historyRecord = (step: number, values: Readonly<Record<string, Json>>): Bytes =>
  within(of.history, joined([items(values), within(2, whole(1, step))]))

const exitRecord = (code: number, seconds: number): Bytes => within(of.exit, joined([whole(1, code), whole(2, seconds)]))

const numbered = (num: number, content: Bytes): Uint8Array => Buffer.concat(joined([whole(1, num), content]).parts)

const bytesOf = (field: number | Uint8Array | undefined): Uint8Array => (field instanceof Uint8Array ? field : new Uint8Array())

/** The step of a history; undefined of other records. */
const stepOf = (record: Uint8Array): number | undefined => {
  const history = fieldsOf(record).get(of.history)
  const step = history === undefined ? undefined : fieldsOf(bytesOf(fieldsOf(bytesOf(history)).get(2))).get(1)
  return typeof step === 'number' ? step : undefined
}

/** The run that a record begins; undefined of other records. */
const runOf = (record: Uint8Array): Run | undefined => {
  const field = fieldsOf(record).get(of.run)
  if (field === undefined) return undefined
  const run = fieldsOf(bytesOf(field))
  const time = fieldsOf(bytesOf(run.get(17)))
  return {
    id: new TextDecoder().decode(bytesOf(run.get(1))),
    began: Number(time.get(1) ?? 0) * 1000 + Number(time.get(2) ?? 0) / 1e6,
  }
}

/** Histories up to a step, and the summaries between them: what comes later has not been, for a run that goes on from there. */
const keptOf = (records: ReadonlyArray<Uint8Array>, last: number): ReadonlyArray<Uint8Array> => {
  const beyond = records.findIndex((r) => (stepOf(r) ?? 0) > last)
  return (beyond < 0 ? records : records.slice(0, beyond)).filter((r) => [of.history, of.summary].some((f) => fieldsOf(r).has(f)))
}

/** What is on the disk of a run that goes on: where, which run, and the records that stay. */
interface Earlier {
  readonly path: string
  readonly run: Run
  readonly kept: ReadonlyArray<Uint8Array>
}

/** The newest file of a folder; none where there is none, or one that is not whole enough to say which run it is. */
const earlierIn = async ({ out, resumeAt }: WandbOptions): Promise<Earlier | undefined> => {
  if (resumeAt === undefined) return undefined
  try {
    const folder = (await readdir(join(out, 'wandb')))
      .filter((name) => name.startsWith('offline-run-'))
      .sort()
      .at(-1)
    if (folder === undefined) return undefined
    const file = (await readdir(join(out, 'wandb', folder))).find((name) => name.endsWith('.wandb'))
    if (file === undefined) return undefined
    const path = join(out, 'wandb', folder, file)
    const records = recordsIn(await readFile(path)) ?? []
    const run = records.map(runOf).find((r) => r !== undefined)
    return run === undefined ? undefined : { path, run, kept: keptOf(records, resumeAt) }
  } catch (e) {
    if (codeOf(e) === 'ENOENT') return undefined
    throw e
  }
}

/** Letters and digits as the client's: no two runs share folder, name and millisecond. */
const begun = (o: WandbOptions): Earlier => {
  const began = o.now()
  const id = BigInt(
    `0x${createHash('sha256')
      .update(JSON.stringify([o.out, o.name, began, process.pid]))
      .digest('hex')}`,
  )
    .toString(36)
    .slice(0, 8)
  const at = new Date(began).toISOString().replace(/\..*/, '').replaceAll(/[-:]/g, '').replace('T', '_')
  return { path: join(o.out, 'wandb', `offline-run-${at}-${id}`, `run-${id}.wandb`), run: { id, began }, kept: [] }
}

/** As programs end: where a signal stopped a run, it is saved, and that is no failure. */
const codeOfEnding = (ending: Ending): number => (ending === 'failed' ? 1 : 0)

interface Opened {
  readonly path: string
  readonly run: Run
  readonly handle: FileHandle
  /** Bytes and records that are in the file. */
  readonly length: number
  readonly count: number
}

const over = (o: WandbOptions, { path, run, handle, length, count }: Opened): Log => {
  const end = { length, count }
  let last: Readonly<Record<string, Json>> = {}
  const seconds = (): number => (o.now() - run.began) / 1000
  const write = async (content: Bytes): Promise<void> => {
    const bytes = framed(end.length, numbered(end.count + 1, content))
    await handle.appendFile(bytes)
    end.length += bytes.length
    end.count++
  }
  const summarize = (more: Readonly<Record<string, Json>>): Promise<void> => write(within(of.summary, items({ ...last, ...more })))
  const at = guarded('io', path)
  return {
    append: ({ step, ...values }: StepRecord) =>
      at(async () => {
        const named = Object.fromEntries(Object.entries(values).map(([k, v]) => [k.replaceAll('.', '/'), v] as const))
        const all = { ...named, _step: step, _timestamp: o.now() / 1000, _runtime: seconds() }
        await write(historyRecord(step, all))
        last = { ...last, ...all }
        return E.right(undefined)
      }),
    settle: at(async () => {
      await summarize({})
      await handle.sync()
      return E.right(undefined)
    }),
    close: (ending) =>
      at(async () => {
        await summarize({ ending })
        await write(exitRecord(codeOfEnding(ending), Math.round(seconds())))
        await handle.sync()
        await handle.close()
        o.say(`for Weights & Biases, to be sent by wandb sync: ${dirname(path)}`)
        return E.right(undefined)
      }),
  }
}

/** Opens the file of a run, new or to go on in. Faults: what the system refuses. */
export const openWandb = (o: WandbOptions): TaskEither<Fault, Log> =>
  pipe(
    guarded('io', join(o.out, 'wandb'))(async () => E.right((await earlierIn(o)) ?? begun(o))),
    TE.chain(({ path, run, kept }) => {
      const records = [numbered(1, headerRecord()), numbered(2, runRecord(o, run)), ...kept]
      const parts: Array<Uint8Array> = [opening]
      let length = opening.length
      for (const r of records) {
        const bytes = framed(length, r)
        parts.push(bytes)
        length += bytes.length
      }
      return pipe(
        writeFile('io', path)(parts.map((p) => () => p)),
        TE.chain(() =>
          guarded(
            'io',
            path,
          )(async () => {
            // by these marks the client knows what it has sent: now there is more
            for (const mark of ['synced', 'syncstate']) await rm(`${path}.${mark}`, { force: true })
            return E.right(over(o, { path, run, handle: await open(path, 'a'), length, count: records.length }))
          }),
        ),
      )
    }),
  )
