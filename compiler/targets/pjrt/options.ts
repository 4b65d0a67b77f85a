/**
 * What a plugin is asked to compile for, as the bytes of a CompileOptionsProto (openxla/xla, xla/pjrt/proto/compile_options.proto): one
 * replica for each device, of one partition; and settings of XLA by name.
 */

export type Settings = Readonly<Record<string, boolean | number | string>>

const varint = (n: number): ReadonlyArray<number> => {
  const out: Array<number> = []
  let v = BigInt.asUintN(64, BigInt(n))
  do {
    const low = Number(v & 127n)
    v >>= 7n
    out.push(v === 0n ? low : low | 128)
  } while (v !== 0n)
  return out
}

const int = (field: number, value: number): ReadonlyArray<number> => [...varint(field << 3), ...varint(value)]

const message = (field: number, bytes: ReadonlyArray<number>): ReadonlyArray<number> => [
  ...varint((field << 3) | 2),
  ...varint(bytes.length),
  ...bytes,
]

const text = (field: number, s: string): ReadonlyArray<number> => message(field, [...Buffer.from(s)])

/** OptionOverrideProto: string_field 1, bool_field 2, int_field 3. */
const setting = (value: boolean | number | string): ReadonlyArray<number> =>
  typeof value === 'string' ? text(1, value) : typeof value === 'boolean' ? int(2, value ? 1 : 0) : int(3, value)

/** What the language asks of XLA whatever is compiled: what is rounded to 16 bits has been rounded, also where it is widened again. */
const always: Settings = { xla_allow_excess_precision: false }

/** executable_build_options 3 { num_replicas 4, num_partitions 5 }, env_option_overrides 7 { key 1, value 2 }. */
export const compileOptions = (settings: Settings = {}, replicas = 1): Uint8Array =>
  Uint8Array.from([
    ...message(3, [...int(4, replicas), ...int(5, 1)]),
    ...Object.entries({ ...always, ...settings }).flatMap(([name, value]) => message(7, [...text(1, name), ...message(2, setting(value))])),
  ])
