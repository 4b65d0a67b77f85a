/** What XLA has made of a program, read from its HloModuleProto (openxla/xla, xla/service/hlo.proto): how many operations of which kind. */

/** A field of a message: its number and its bytes; none where it is a number. */
interface ProtoField {
  readonly number: number
  readonly bytes: Uint8Array
}

/** The fields of a message (protobuf.dev, Encoding). */
const fieldsOf = function* (bytes: Uint8Array): Generator<ProtoField> {
  let at = 0
  const varint = (): number => {
    let [value, factor] = [0, 1]
    for (;;) {
      const b = bytes[at++] ?? 0
      value += (b & 127) * factor
      factor *= 128
      if (b < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, kind] = [Math.floor(tag / 8), tag % 8]
    if (kind === 0) {
      varint()
      continue
    }
    const size = kind === 2 ? varint() : kind === 1 ? 8 : 4
    yield { number, bytes: bytes.subarray(at, at + size) }
    at += size
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

/** HloInstructionProto: opcode 2, custom_call_target 28. */
const kindOf = (instruction: Uint8Array): string => {
  let [opcode, target] = ['', '']
  for (const f of fieldsOf(instruction)) {
    if (f.number === 2) opcode = textOf(f.bytes)
    else if (f.number === 28) target = textOf(f.bytes)
  }
  return target === '' ? opcode : `${opcode} ${target}`
}

/** HloModuleProtoWithConfig: hlo_module 1. HloModuleProto: computations 3. HloComputationProto: instructions 2. */
const modulesIn = (bytes: Uint8Array, format: string): ReadonlyArray<Uint8Array> =>
  format === 'hlo_with_config' ? [...fieldsOf(bytes)].flatMap((f) => (f.number === 1 ? [f.bytes] : [])) : [bytes]

/** Operations of a program by their name in HLO, in all of its computations; of a custom call with what it calls. */
export const operationsIn = (program: Uint8Array, format: string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const module of modulesIn(program, format))
    for (const computation of fieldsOf(module)) {
      if (computation.number !== 3) continue
      for (const f of fieldsOf(computation.bytes)) {
        if (f.number !== 2) continue
        const kind = kindOf(f.bytes)
        counts.set(kind, (counts.get(kind) ?? 0) + 1)
      }
    }
  return counts
}
