/** Run by native-trust.test.ts in a process of its own: one small program on `native`, and what came out. */
import * as E from 'fp-ts/lib/Either.js'
import { openNative } from '../../compiler/targets/native/device.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { add, mul } from '../../ops/elementwise.ts'
import { right } from '../data/either.ts'
import { input } from '../support/tensor.ts'

const x = input('x', [3])
const device = await openNative({ threads: 1 })()
if (E.isLeft(device)) process.stdout.write(showFault(device.left))
else {
  const { compile, close } = device.right
  const program = right(await compile(right(trace('once', [value('y', add(mul(x, 2), 1))])))())
  const values = right(await program.run({ values: new Map([['x', Float32Array.of(1, 2, 3)]]) })())
  process.stdout.write(`y = ${[...(values.get('y') ?? [])].join(' ')}\n`)
  close()
}
