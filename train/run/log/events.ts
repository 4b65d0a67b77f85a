/**
 * TensorBoard's event files: records of Event messages (tensorflow `core/util/event.proto`, `core/framework/summary.proto`), each
 * framed as length, checksum of the length, data, checksum of the data (`core/lib/io/record_writer.h`).
 */
import { open, readdir } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { guarded } from '../../../data/formats/file.ts'
import type { Log } from './log.ts'

/** CRC-32C (Castagnoli), reflected, by bytes. */
const table = Uint32Array.from({ length: 256 }, (_, i) => {
  let c = i
  for (let k = 0; k < 8; k++) c = (c & 1) === 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  return c >>> 0
})

export const crc32c = (bytes: Uint8Array): number => {
  let c = 0xffffffff
  for (const b of bytes) c = table[(c ^ b) & 0xff] ^ (c >>> 8)
  return (c ^ 0xffffffff) >>> 0
}

/** The checksum as it is stored: turned by 15 bits, plus a constant. */
const masked = (bytes: Uint8Array): number => {
  const c = crc32c(bytes)
  return (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0
}

const u32 = (x: number): Uint8Array => {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, x, true)
  return out
}

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** A record with its frame. */
export const record = (data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const length = joined([u32(data.length), u32(0)])
  return joined([length, u32(masked(length)), data, u32(masked(data))])
}

const varint = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  let v = value
  for (; v >= 128; v = Math.floor(v / 128)) bytes.push((v % 128) + 128)
  return Uint8Array.from([...bytes, v])
}

/** Fields of a message by wire type. */
const whole = (field: number, value: number): Uint8Array => joined([varint(field * 8), varint(value)])
const inside = (field: number, bytes: Uint8Array): Uint8Array => joined([varint(field * 8 + 2), varint(bytes.length), bytes])
const word = (field: number, text: string): Uint8Array => inside(field, new TextEncoder().encode(text))
const double = (field: number, value: number): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setFloat64(0, value, true)
  return joined([varint(field * 8 + 1), out])
}
const float = (field: number, value: number): Uint8Array => {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setFloat32(0, value, true)
  return joined([varint(field * 8 + 5), out])
}

/** What an event says besides its time. */
const event = (seconds: number, step: number, ...content: ReadonlyArray<Uint8Array>): Uint8Array =>
  joined([double(1, seconds), whole(2, step), ...content])

/** The first record of every file. */
export const versionEvent = (seconds: number): Uint8Array => joined([double(1, seconds), word(3, 'brain.Event:2')])

/** Says that what older files hold from this step on is void: TensorBoard drops it. */
export const startEvent = (seconds: number, step: number): Uint8Array => event(seconds, step, inside(7, whole(1, 1)))

/** Scalars of a step by tag. */
export const scalarEvent = (seconds: number, step: number, values: Readonly<Record<string, number>>): Uint8Array =>
  event(seconds, step, inside(5, joined(Object.entries(values).map(([tag, value]) => inside(1, joined([word(1, tag), float(2, value)]))))))

/** A text, shown under the tab of that name: a string tensor (DT_STRING 7) of shape [1] with the plugin's name. */
export const textEvent = (seconds: number, step: number, tag: string, text: string): Uint8Array =>
  event(
    seconds,
    step,
    inside(
      5,
      inside(
        1,
        joined([
          word(1, tag),
          inside(8, joined([whole(1, 7), inside(2, inside(2, whole(1, 1))), word(8, text)])),
          inside(9, inside(1, word(1, 'text'))),
        ]),
      ),
    ),
  )

export interface EventsOptions {
  /** The run's folder. */
  readonly out: string
  /** Of a run that is continued: what older files hold beyond this step is void. */
  readonly resumeAt: number | undefined
  readonly config: string
  /** Seconds since 1970, for the times of events and the file's name. */
  readonly now: () => number
}

const over = (path: string, handle: FileHandle, now: () => number): Log => {
  const write = (bytes: Uint8Array): TaskEither<Fault, void> =>
    guarded(
      'io',
      path,
    )(async () => {
      await handle.appendFile(record(bytes))
      return E.right(undefined)
    })
  return {
    append: ({ step, ...values }) =>
      write(
        scalarEvent(
          now(),
          step,
          Object.fromEntries(
            Object.entries(values).flatMap(([k, v]) => (typeof v === 'number' ? [[k.replaceAll('.', '/'), v] as const] : [])),
          ),
        ),
      ),
    settle: guarded(
      'io',
      path,
    )(async () => {
      await handle.sync()
      return E.right(undefined)
    }),
    close: () =>
      guarded(
        'io',
        path,
      )(async () => {
        await handle.sync()
        await handle.close()
        return E.right(undefined)
      }),
  }
}

/** The newest second in the names of event files of a folder. TensorBoard reads files in the order of their names. */
const newestIn = async (folder: string): Promise<number> =>
  Math.max(-1, ...(await readdir(folder)).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? -1)))

/**
 * Opens a new event file in a folder, behind those of earlier parts of the run by its name, also where the clock was set back meanwhile.
 * Faults: what the system refuses.
 */
export const openEvents = (o: EventsOptions): TaskEither<Fault, Log> =>
  guarded(
    'io',
    o.out,
  )(async () => {
    const seconds = o.now()
    const named = Math.max(Math.floor(seconds), 1 + (await newestIn(o.out)))
    const path = join(o.out, `events.out.tfevents.${named}.${hostname()}.${process.pid}.0`)
    const handle = await open(path, 'a')
    const first = [
      versionEvent(seconds),
      startEvent(seconds, (o.resumeAt ?? -1) + 1),
      ...(o.resumeAt === undefined ? [textEvent(seconds, 0, 'config', o.config)] : []),
    ]
    await handle.appendFile(joined(first.map(record)))
    return E.right(over(path, handle, o.now))
  })
