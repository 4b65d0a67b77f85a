/**
 * Models by id, from a small hub on this machine: the cache's layout, continued downloads, tokens, refusals, and work without a network.
 */
import { spawn, spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import { localModel, parseId, hubOf } from '../../train/exchange/huggingface/hub.ts'
import type { Environment } from '../../train/exchange/huggingface/hub.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { left, right } from '../data/either.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'
import type { Behaviour, HubFiles } from './hub-server.ts'
import { sha1, sha256, startHub } from './hub-server.ts'
import { program } from '../support/built.ts'

const at = temporary()
/** A Python with huggingface_hub, where there is one. */
const python = process.env.PYTHON ?? 'python3'
const hasPython = spawnSync(python, ['-c', 'import huggingface_hub']).status === 0
const commit = '0123456789abcdef0123456789abcdef01234567'
const said: string[] = []
let hub: { readonly url: string; readonly behaviour: Behaviour }

const filesOf = (folder: string): ReadonlyMap<string, Buffer> => new Map(readdirSync(folder).map((f) => [f, readFileSync(join(folder, f))]))

beforeAll(async () => {
  const whole = { model: backbones.dinov2, weights: weightsOf(backbones.dinov2) }
  right(await writeBackbone(at('plain'))(whole)())
  right(await writeBackbone(at('shards'), { shard: 2000 })(whole)())
  const plain = filesOf(at('plain'))
  const models = new Map<string, HubFiles>([
    ['owner/plain', { commit, files: new Map([...plain, ['README.md', Buffer.from('not wanted')]]) }],
    ['owner/shards', { commit, files: filesOf(at('shards')) }],
    ['owner/gated', { commit, files: plain, token: 'secret of any form' }],
    [
      'owner/pickle',
      {
        commit,
        files: new Map([
          ['config.json', Buffer.from('{}')],
          ['pytorch_model.bin', Buffer.from('x')],
          ['tf_model.h5', Buffer.from('x')],
        ]),
      },
    ],
    [
      'owner/adapter',
      {
        commit,
        files: new Map([
          ['adapter_config.json', Buffer.from('{}')],
          ['adapter_model.safetensors', Buffer.from('x')],
        ]),
      },
    ],
    [
      'owner/flax',
      {
        commit,
        files: new Map([
          ['config.json', Buffer.from('{}')],
          ['flax_model.msgpack', Buffer.from('x')],
        ]),
      },
    ],
  ])
  const started = await startHub(models)
  hub = started
  afterAll(() => {
    started.server.closeAllConnections()
    started.server.close()
  })
})

beforeEach(() => {
  said.length = 0
  hub.behaviour.cuts = []
  hub.behaviour.seen.length = 0
  hub.behaviour.corrupt = false
})

const envOf = (home: string, more: Environment = {}): Environment => ({ HF_ENDPOINT: `${hub.url}/`, HF_HOME: at(home), ...more })
const get = (env: Environment, id: string): Promise<E.Either<Fault, string>> =>
  localModel(env, (text) => {
    said.push(text)
  })(id)()
const blobs = (home: string, name: string): string => join(at(home), 'hub', `models--owner--${name}`, 'blobs')

describe('a model by its id', () => {
  it('comes into the cache as Python lays it out, and is read', async () => {
    const folder = right(await get(envOf('first'), 'owner/plain'))
    expect(folder).toBe(join(at('first'), 'hub', 'models--owner--plain', 'snapshots', commit))
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors', 'preprocessor_config.json'])
    expect(readFileSync(join(folder, '..', '..', 'refs', 'main'), 'utf8')).toBe(commit)
    expect(lstatSync(join(folder, 'config.json')).isSymbolicLink()).toBe(true)
    const files = filesOf(at('plain'))
    expect(readdirSync(blobs('first', 'plain')).sort()).toEqual(
      [...files].map(([name, b]) => (name.endsWith('.safetensors') ? sha256(b) : sha1(b))).sort(),
    )
    expect(right(await readBackbone(folder)()).weights).toEqual(weightsOf(backbones.dinov2))
  })
  it('is not downloaded again, and serves without the hub, or where it is set to stay offline', async () => {
    const folder = right(await get(envOf('first'), 'owner/plain'))
    expect(hub.behaviour.seen.filter((s) => s.includes('/resolve/'))).toEqual([])
    expect(await get(envOf('first', { HF_ENDPOINT: 'http://127.0.0.1:9' }), 'owner/plain')).toEqual(E.right(folder))
    expect(said.at(-1)).toMatch(/^the hub cannot be reached .*: using the copy in /)
    hub.behaviour.seen.length = 0
    expect(await get(envOf('first', { HF_HUB_OFFLINE: '1' }), `owner/plain@${commit}`)).toEqual(E.right(folder))
    expect(hub.behaviour.seen).toEqual([])
  })
  it('in shards comes with its index', async () => {
    const folder = right(await get(envOf('first'), 'owner/shards@main'))
    expect(readdirSync(folder).filter((f) => f.endsWith('.safetensors')).length).toBeGreaterThan(1)
    expect(right(await readBackbone(folder)()).weights).toEqual(weightsOf(backbones.dinov2))
  })
  it.runIf(hasPython)('is found by Python without a network (skipped where Python has no huggingface_hub)', async () => {
    const folder = right(await get(envOf('first'), 'owner/plain'))
    const code =
      'import huggingface_hub as h; print(h.hf_hub_download("owner/plain", "model.safetensors")); print(h.snapshot_download("owner/plain")); print(len(h.scan_cache_dir().warnings))'
    const done = spawnSync(python, ['-c', code], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HF_HOME: at('first'), HF_HUB_OFFLINE: '1' },
    })
    expect(done.stdout.trim().split('\n')).toEqual([join(folder, 'model.safetensors'), folder, '0'])
  })
})

describe('an interrupted download', () => {
  it('is continued where it stopped, in the same call', async () => {
    hub.behaviour.cuts = [1e9, 700, 500]
    const folder = right(await get(envOf('cut'), 'owner/plain'))
    const ranges = hub.behaviour.seen.filter((s) => s.includes('model.safetensors')).map((s) => s.split(' ')[2])
    const size = statSync(join(at('plain'), 'model.safetensors')).size
    expect(ranges).toEqual([undefined, `bytes=700-${size - 1}`, `bytes=1200-${size - 1}`])
    expect(said.some((s) => s.startsWith('interrupted at'))).toBe(true)
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(readFileSync(join(at('plain'), 'model.safetensors')))
  })
  it('is given up where nothing more comes, kept, and continued by the next call', async () => {
    hub.behaviour.cuts = [1e9, 600, 0, 0, 0]
    const f = left(await get(envOf('later'), 'owner/plain'))
    expect([f.kind, f.place, f.remedy]).toEqual([
      'io',
      'owner/plain: model.safetensors',
      'run the command again: it continues where it stopped',
    ])
    expect(f.found).toContain('at byte 600 of')
    expect(readdirSync(blobs('later', 'plain')).some((n) => n.endsWith('.incomplete'))).toBe(true)
    expect(left(await get(envOf('later', { HF_HUB_OFFLINE: 'yes' }), 'owner/plain')).found).toContain('no copy of main')
    right(await get(envOf('later'), 'owner/plain'))
    expect(said.some((s) => s.startsWith('continuing model.safetensors at'))).toBe(true)
  })
  it('of bytes that are not those described is refused and thrown away', async () => {
    hub.behaviour.corrupt = true
    expect(left(await get(envOf('bad'), 'owner/plain')).found).toMatch(/^bytes with the digest [0-9a-f]{40}$/)
    expect(readdirSync(blobs('bad', 'plain'))).toEqual([])
  })
  it('by a kill of the whole program goes on as well', async () => {
    hub.behaviour.cuts = [1e9, 900, -100]
    const env = { ...process.env, ...envOf('killed'), HF_HUB_OFFLINE: '' }
    const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'hf', 'inspect', '--model', 'owner/plain'], { env })
    child.stderr.on('data', (text) => {
      if (String(text).includes('interrupted')) child.kill('SIGKILL')
    })
    await new Promise((resolve) => {
      child.on('close', resolve)
    })
    hub.behaviour.cuts = []
    right(await get(envOf('killed'), 'owner/plain'))
    expect(hub.behaviour.seen.filter((s) => s.includes('model.safetensors')).at(-1)).toMatch(/bytes=(9|10)00-/)
    expect(said.some((s) => s.startsWith('continuing model.safetensors at'))).toBe(true)
  }, 60_000)
})

describe('a refusal is explained:', () => {
  it('no token, a wrong one, and the right one from a variable or from its file', async () => {
    expect(left(await get(envOf('gated'), 'owner/gated'))).toMatchObject({ found: '401: no token was given', kind: 'io' })
    expect(left(await get(envOf('gated', { HF_TOKEN: 'no' }), 'owner/gated')).found).toBe('401: the token gives no access')
    right(await get(envOf('gated', { HF_TOKEN: 'secret of any form' }), 'owner/gated'))
    mkdirSync(at('token'))
    writeFileSync(join(at('token'), 'token'), 'secret of any form\n')
    right(await get(envOf('token'), 'owner/gated'))
  })
  it('an unknown model, an unknown revision, a model without weights that are read', async () => {
    expect(left(await get(envOf('none'), 'owner/nothing')).remedy).toContain('check the name')
    expect(left(await get(envOf('none'), 'owner/plain@nothing'))).toMatchObject({
      place: `owner/plain@nothing at ${hub.url}`,
      found: '404: no such model or revision',
    })
    expect(left(await get(envOf('none'), 'owner/flax'))).toMatchObject({ kind: 'data', found: 'config.json, flax_model.msgpack' })
  })
  it('no network, and nothing in the cache', async () => {
    const f = left(await get(envOf('none', { HF_ENDPOINT: 'http://127.0.0.1:9' }), 'owner/plain'))
    expect(f.found).toContain('fetch failed')
    expect(f.remedy).toContain('HF_ENDPOINT')
    expect(left(await get(envOf('none', { HF_HUB_OFFLINE: 'ON' }), 'owner/plain')).remedy).toContain('unset HF_HUB_OFFLINE')
  })
  it('neither a path nor an id', async () => {
    expect(left(await get(envOf('none'), './nothing/at/all')).found).toBe('nothing')
  })
})

it('weights of PyTorch and adapters are downloaded where a model has no others', async () => {
  expect(readdirSync(right(await get(envOf('pickle'), 'owner/pickle'))).sort()).toEqual(['config.json', 'pytorch_model.bin'])
  expect(readdirSync(right(await get(envOf('adapter'), 'owner/adapter'))).sort()).toEqual([
    'adapter_config.json',
    'adapter_model.safetensors',
  ])
})

describe('the environment', () => {
  it('names the cache, the hub and the token as for Python', async () => {
    const of = async (env: Environment): Promise<string> => right(await hubOf(env)()).cache
    expect(await of({ HF_HUB_CACHE: '/a', HF_HOME: '/b' })).toBe('/a')
    expect(await of({ HF_HOME: '/b', XDG_CACHE_HOME: '/c' })).toBe('/b/hub')
    expect(await of({ XDG_CACHE_HOME: '/c' })).toBe('/c/huggingface/hub')
    expect(right(await hubOf({ HF_HOME: '/b' })())).toMatchObject({ endpoint: 'https://huggingface.co', offline: false, token: undefined })
  })
  it('that reads as a path into a folder that is here may have meant one: what is there is named, and the nearest of it', async () => {
    const f = left(await get(envOf('paths', { HF_ENDPOINT: 'http://127.0.0.1:9' }), 'examples/recipe'))
    expect(f.found).toMatch(/^nothing in the folder examples; and as the id of a model: .*ECONNREFUSED|fetch failed/)
    expect(f.allowed).toContain('examples/attention.ts')
    expect(f.remedy).toBe('did you mean examples/recipes?')
  })
  it('tells ids from paths', () => {
    expect(['facebook/dinov2-small', 'a/b@v1.0'].map((x) => O.isSome(parseId(x)))).toEqual([true, true])
    expect(['runs/a/b', '../up', 'folder', 'a/b.safetensors', '/a/b', 'a/b@../../x'].map((x) => O.isSome(parseId(x)))).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
    ])
  })
})
