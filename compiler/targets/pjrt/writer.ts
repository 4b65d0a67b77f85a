/** The body of a function as it is written: one line an operation, constants once each. */
import type { TensorType } from '../../../core/type.ts'
import { splatText, typeText } from './syntax.ts'

/** How exactly f32 is multiplied in products: as it is, or with operands of fewer bits where the hardware is faster with them. */
export const precisions = ['highest', 'tf32', 'bf16'] as const

export type Precision = (typeof precisions)[number]

export interface Writer {
  readonly precision: Precision
  /** Adds an operation and gives its result's name; of several results, the name of the one numbered `pick`. */
  readonly emit: (text: string, results?: number, pick?: number) => string
  /** A constant of one repeated value. */
  readonly splat: (type: TensorType, value: number) => string
  /** A constant by the text of its elements. */
  readonly dense: (type: TensorType, elements: string) => string
  readonly lines: () => ReadonlyArray<string>
}

export const openWriter = (precision: Precision): Writer => {
  const lines: Array<string> = []
  const constants = new Map<string, string>()
  const count = { names: 0 }
  const emit = (text: string, results = 1, pick = 0): string => {
    const name = `%${count.names++}`
    lines.push(`    ${name}${results === 1 ? '' : `:${results}`} = ${text}`)
    return results === 1 ? name : `${name}#${pick}`
  }
  const dense = (type: TensorType, elements: string): string => {
    const text = `stablehlo.constant ${elements} : ${typeText(type)}`
    const known = constants.get(text) ?? emit(text)
    constants.set(text, known)
    return known
  }
  return { precision, emit, dense, splat: (type, value) => dense(type, splatText(type, value)), lines: () => lines }
}

/** What an operation is given: its arguments' names and types, and the type of its result. */
export interface Operands {
  readonly args: ReadonlyArray<string>
  readonly types: ReadonlyArray<TensorType>
  readonly out: TensorType
}

/** Writes an operation and gives the name of its result. */
export type Written = (x: Operands, w: Writer) => string
