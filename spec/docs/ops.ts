/** The tables of docs/ops.md: their calls, the tensors that they are of, and what these come to. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DType, Shape, TensorType } from '../../core/type.ts'
import { tensorType } from '../../core/type.ts'
import { root } from '../rooms/rooms.ts'

/** A tensor of a row by its name; what a call gives has none where it is one tensor. */
type Named = readonly [name: string, type: TensorType]

export interface Call {
  /** `softmax(-1)(x)` */
  readonly text: string
  /** `softmax` */
  readonly op: string
  readonly inputs: ReadonlyArray<Named>
  readonly outputs: ReadonlyArray<Named>
}

/** What letters of the tables stand for here; within a row no two are the same. */
const sizes: ReadonlyMap<string, number> = new Map(
  Object.entries({ A: 2, B: 3, C: 4, D: 5, H: 6, I: 4, K: 6, L: 4, M: 2, N: 7, O: 3, P: 5, Q: 2, T: 2, W: 7 }),
)

/** `B - 1`, `A + B`, `8` */
const sizeOf = (text: string): number =>
  text
    .replaceAll(' - ', ' + -')
    .split(' + ')
    .reduce((sum, part) => {
      const [sign, name] = part.startsWith('-') ? [-1, part.slice(1)] : [1, part]
      return sum + sign * (sizes.get(name) ?? Number(name))
    }, 0)

const shapeOf = (text: string): Shape => (text === '' ? [] : text.split(', ').flatMap((axis) => (axis === '...' ? [2, 3] : [sizeOf(axis)])))

const dtypeOf = (text: string | undefined): DType => (text === 'i32' || text === 'bool' ? text : 'f32')

const tensorsOf = (text: string): ReadonlyArray<Named> =>
  [...text.matchAll(/(?:(\w+) )?(i32|bool)?\[([^\]]*)\]/g)].map(
    ([, name = '', dtype, shape]) => [name, tensorType(dtypeOf(dtype), shapeOf(shape))] as const,
  )

const rows = [...readFileSync(join(root, 'docs/ops.md'), 'utf8').matchAll(/^\| (`.*`) \| `(.*?)→ (.*?)` \| .*\|$/gm)]

/** Every call of the tables. */
export const calls: ReadonlyArray<Call> = rows.flatMap(([, cell, before, after]) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => ({
    text,
    op: /^\w+/.exec(text)?.[0] ?? '',
    // what of a row's tensors a call leaves out
    inputs: tensorsOf(before).filter(([name]) => new RegExp(`\\b${name}\\b`).test(text)),
    outputs: tensorsOf(after),
  })),
)

const inputText = ([name, { dtype, shape }]: Named): string => {
  const given = `input('${name}', [${shape.join(', ')}])`
  return `const ${name} = ${dtype === 'f32' ? given : `cast('${dtype}')(${given})`}`
}

/** The calls as a program of a user's: what each makes, in their order. */
export const callsProgram = `import type { Expr } from 'dinograph/core'
import { input } from 'dinograph/core'
import { ${[...new Set(calls.map(({ op }) => op))].join(', ')} } from 'dinograph/ops'

type Made = Expr | Readonly<Record<string, Expr>>

export const made: ReadonlyArray<Made> = [
${calls.map(({ text, inputs }) => `  ((): Made => {\n    ${[...inputs.map(inputText), `return ${text}`].join('\n    ')}\n  })(),`).join('\n')}
]
`
