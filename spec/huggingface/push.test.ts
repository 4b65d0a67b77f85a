/** `hf push`, as a process, to a hub on this machine: what arrives is what `hf export` writes, with a card, and no secret in it. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { recordSummary } from '../../train/judge/report/record.ts'
import { save } from '../../train/run/checkpoints.ts'
import { right } from '../data/either.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'
import type { PushHub } from './push-server.ts'
import { startPushHub } from './push-server.ts'
import { program } from '../support/built.ts'

const at = temporary()
const token = 'hf_planted_secret'
const model = backbones.vit
const weights = weightsOf(model)

/** Beside the process, since the hub answers from this one. */
const hf = (env: Readonly<Record<string, string>>, ...words: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly said: string }>((done) => {
    const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'hf', ...words], {
      env: { ...process.env, HF_HOME: at('home'), HF_TOKEN: '', ...env },
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        said += data.toString()
      })
    child.on('close', (code) => {
      done({ code, said })
    })
  })

let hub: PushHub
beforeAll(async () => {
  hub = await startPushHub(token)
  const state = new Map(
    declarations(model.params).map(([name, d]) => [
      `student.backbone.${name}`,
      floatTensor(d.shape, weights.get(name) ?? new Float32Array()),
    ]),
  )
  const config = { vit: { heads: 2 }, data: { path: '/home/somebody/scans' }, steps: 3 }
  right(await save(join(at('run'), 'checkpoints'), { keepLast: 1, keepEvery: 0 })({ step: 3, seed: 0, config, position: null, state })())
  writeFileSync(join(at('run'), 'config.yaml'), 'objective: { kind: dinov1 }\nsteps: 3\ndata: { path: /home/somebody/scans }\n')
  const stages = convnexts.pyramid({ widths: [4, 6], depths: [1, 1], image: 16 })
  const pyramid = new Map(
    declarations(stages.params).map(([p, d], i) => [p, Float32Array.from({ length: sizeOf(d.shape) }, (_, k) => ((i + k) % 7) - 3)]),
  )
  right(await writePyramid(at('base'))({ model: stages, weights: pyramid })())
  const adapted = 'student.backbone.stages.0.0.pwconv1'
  right(
    await save(join(at('stages'), 'checkpoints'), { keepLast: 1, keepEvery: 0 })({
      step: 1,
      seed: 0,
      config: {
        model: { kind: 'convnext' },
        strategies: { lora: { targets: ['pwconv1'], rank: 1, alpha: 1 } },
        start: { from: at('base') },
      },
      position: null,
      backbone: 'pyramid',
      state: new Map([
        ...declarations(stages.params).map(
          ([p, d]) => [`student.backbone.${p}`, floatTensor(d.shape, pyramid.get(p) ?? new Float32Array())] as const,
        ),
        [`${adapted}.lora_A.weight`, floatTensor([1, 4], Float32Array.of(1, 2, 3, 4))] as const,
        [`${adapted}.lora_B.weight`, floatTensor([16, 1], new Float32Array(16).fill(0.5))] as const,
      ]),
    })(),
  )
  writeFileSync(join(at('stages'), 'config.yaml'), 'objective: { kind: dinov1 }\nsteps: 1\n')
  right(await recordSummary(at('stages'), { ending: 'finished', metrics: { knn_after: 0.5 } })())
  right(await recordSummary(at('run'), { ending: 'finished', metrics: { knn_after: 0.75 } })())
})
afterAll(() => {
  hub.server.close()
})

describe('hf push', { timeout: 120_000 }, () => {
  test('makes the repository, sends what hf export writes and a card of the run, and sends again into what is there', async () => {
    const env = { HF_ENDPOINT: hub.url, HF_TOKEN: token }
    const { code, said } = await hf(env, 'push', '--run', at('run'), '--repo', 'someone/features', '--json')
    expect(code, said).toBe(0)
    expect(said).toContain('someone/features is made')
    expect(JSON.parse(said.trim().split('\n').at(-1) ?? '')).toMatchObject({ address: `${hub.url}/someone/features` })
    expect((await hf({}, 'export', '--run', at('run'), '--out', at('exported'))).code).toBe(0)
    const sent = hub.repositories.get('someone/features')
    for (const file of ['config.json', 'model.safetensors', 'preprocessor_config.json'])
      expect(sent?.get(file)?.equals(readFileSync(join(at('exported'), file))), file).toBe(true)
    const card = sent?.get('README.md')?.toString() ?? ''
    for (const text of [
      '# license: choose one',
      'library_name: transformers',
      '| data | scans |',
      '| objective | dinov1 |',
      '| knn_after | 0.7500 |',
    ])
      expect(card).toContain(text)
    // neither who sent it, nor where it lay
    for (const text of [said, ...[...(sent?.values() ?? [])].map((b) => b.toString('latin1'))]) {
      expect(text).not.toContain(token)
      expect(text).not.toContain('somebody')
    }
    const again = await hf(env, 'push', '--run', at('run'), '--repo', 'someone/features', '--license', 'apache-2.0')
    expect(again.code, again.said).toBe(0)
    expect(hub.repositories.get('someone/features')?.get('README.md')?.toString()).toContain('\nlicense: apache-2.0\n')
  })

  test('sends a backbone with stages, and adapters alone by the names that peft needs', async () => {
    const env = { HF_ENDPOINT: hub.url, HF_TOKEN: token }
    const { code, said } = await hf(env, 'push', '--run', at('stages'), '--repo', 'someone/stages', '--merge-lora')
    expect(code, said).toBe(0)
    const sent = hub.repositories.get('someone/stages')
    expect(JSON.parse(sent?.get('config.json')?.toString() ?? '')).toMatchObject({ model_type: 'dinov3_convnext', hidden_sizes: [4, 6] })
    expect(sent?.get('README.md')?.toString()).toContain('| widths | 4, 6 |')
    const alone = await hf(env, 'push', '--run', at('stages'), '--repo', 'someone/adapters', '--adapter')
    expect(alone.code, alone.said).toBe(0)
    // the model that they belong to is a folder of this machine
    expect(alone.said).toContain('it is left out of adapter_config.json')
    const adapters = hub.repositories.get('someone/adapters')
    expect(JSON.parse(adapters?.get('adapter_config.json')?.toString() ?? '')).toMatchObject({
      target_modules: ['model.stages.0.layers.0.pointwise_conv1'],
      base_model_name_or_path: null,
    })
    expect(adapters?.has('adapter_model.safetensors')).toBe(true)
    for (const text of ['library_name: peft', 'PeftModel.from_pretrained', '| rank | 1 |'])
      expect(adapters?.get('README.md')?.toString()).toContain(text)
    expect(adapters?.get('README.md')?.toString()).not.toContain(at('base'))
  })

  test('without a token, with a wrong one, or to no id is refused, and nothing is sent', async () => {
    const before = hub.seen.length
    const none = await hf({ HF_ENDPOINT: hub.url }, 'push', '--run', at('run'), '--repo', 'someone/other')
    expect([none.code, none.said]).toEqual([2, expect.stringContaining('give it as HF_TOKEN')])
    const path = await hf({ HF_ENDPOINT: hub.url, HF_TOKEN: token }, 'push', '--run', at('run'), '--repo', 'features')
    expect([path.code, path.said]).toEqual([2, expect.stringContaining('allowed: owner/name')])
    expect(hub.seen).toHaveLength(before)
    const wrong = await hf({ HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_another_secret' }, 'push', '--run', at('run'), '--repo', 'someone/other')
    expect([wrong.code, wrong.said]).toEqual([1, expect.stringMatching(/found: +401: [^]*remedy: +check the name of --repo/)])
    expect(wrong.said).not.toContain('hf_another_secret')
    expect(hub.repositories.has('someone/other')).toBe(false)
  })
})
