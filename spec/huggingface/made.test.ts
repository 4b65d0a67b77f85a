/** Folders that transformers and peft have made (`spec/interop/made.py`): what is read of them computes what they compute. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { floatsOf } from '../../data/formats/tensor.ts'
import { readModel } from '../../train/exchange/model.ts'
import { right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'

const made = fileURLToPath(new URL('made', import.meta.url))

it.each([
  ['a DINOv3 whose values have no bias', 'bias-of-queries', ''],
  ['a DINOv3 whose queries have no bias, and whose keys have one', 'bias-of-keys-and-values', ''],
  ['adapters with alphas by the whole names of a class for tasks, and by an expression of Python', 'alphas', 'adapter'],
  ['adapters that began by MiCA, which leaves the base as it is', 'mica', 'adapter'],
  ['adapters with all biases, and a module that was trained as a whole', 'saved-with-biases', 'adapter'],
])('%s', async (_, name, within) => {
  const { model, weights } = right(await readModel(join(made, name, within))())
  const { tensors } = right(await readSafetensors(join(made, name, 'expected.safetensors'))())
  const [pixels, tokens] = ['pixels', 'tokens'].map((n) => tensors.get(n) ?? expect.fail(n))
  const f = call(model, context('eval'), 'm', leavesOf('m', model.params), input('x', pixels.shape))
  const values = new Map([...[...weights].map(([p, v]) => [`m.${p}`, v] as const), ['x', right(floatsOf('x')(pixels))] as const])
  expectClose(evaluate([f.tokens], values)[0], right(floatsOf('tokens')(tokens)), 1e-5)
})
