/** What must not be read by others is planted everywhere, and looked for in all that a run writes and says. */
import { createServer } from 'node:http'
import { mkdtemp, readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { masked, shownName, shownText, withoutSecrets } from '../../core/text.ts'
import type { Lived } from './lived.ts'
import { live } from './lived.ts'
import { quick, set } from './quick.ts'

const secrets = { mlflow: 'pa55-of-mlflow', hub: 'hf_tokenOfTheHub', proxy: 'pa55-of-proxy', wandb: 'keyOfWeightsAndBiases' }

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-secrets-'))

/** A tracking server that asks who it is; gives what `use` gives, and how often somebody was let in. */
const guarded = async <A>(use: (address: string) => Promise<A>): Promise<{ readonly result: A; readonly letIn: number }> => {
  let letIn = 0
  const server = createServer((request, response) => {
    const known = request.headers.authorization === `Basic ${Buffer.from(`ada:${secrets.mlflow}`).toString('base64')}`
    if (known) letIn++
    request.resume()
    request.on('end', () => {
      const body = { experiment: { experiment_id: '1' }, run: { info: { run_id: 'r' } } }
      response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(known ? body : {}))
    })
  })
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done)
  })
  const address = server.address()
  try {
    return { result: await use(`127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`), letIn }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const textsIn = async (out: string): Promise<ReadonlyArray<readonly [string, string]>> => {
  const entries = await readdir(out, { recursive: true, withFileTypes: true })
  const files = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name))
  return Promise.all(files.map(async (f) => [f, await readFile(f, 'latin1')] as const))
}

const leaks = (texts: ReadonlyArray<readonly [string, string]>): ReadonlyArray<string> =>
  texts.flatMap(([where, text]) =>
    Object.entries(secrets).flatMap(([name, secret]) =>
      [secret, Buffer.from(`ada:${secret}`).toString('base64')].some((s) => text.includes(s)) ? [`${name} in ${where}`] : [],
    ),
  )

const said = (r: Lived): ReadonlyArray<readonly [string, string]> => [
  ['stdout', r.stdout],
  ['stderr', r.stderr],
]

const env = {
  HF_TOKEN: secrets.hub,
  HTTPS_PROXY: `http://ada:${secrets.proxy}@proxy:3128`,
  MLFLOW_TRACKING_USERNAME: 'ada',
  WANDB_API_KEY: secrets.wandb,
}

describe('secrets', () => {
  test(
    'of the environment open a tracking server, and are nowhere in the folder of the run or in what it says',
    { timeout: 240000 },
    async () => {
      const out = await folder()
      const { result: ran, letIn } = await guarded((at) =>
        live(
          [
            ...quick,
            '--steps',
            '2',
            '--json',
            ...set({ 'runtime.mlflow.uri': `http://${at}`, 'runtime.wandb.project': 'p' }),
            '--out',
            out,
          ],
          {
            env: { ...env, MLFLOW_TRACKING_PASSWORD: secrets.mlflow },
          },
        ),
      )
      expect(ran.code, ran.stderr).toBe(0)
      expect(letIn).toBeGreaterThan(3)
      expect(ran.stderr).toContain('to be sent by wandb sync')
      const texts = await textsIn(out)
      expect(texts.length).toBeGreaterThan(8)
      expect(leaks([...texts, ...said(ran)])).toEqual([])
    },
  )

  test('in an address of a setting are refused without showing them, and the remedy is followed', { timeout: 240000 }, async () => {
    const out = await folder()
    const { result, letIn } = await guarded(async (at) => {
      const words = [...quick, '--steps', '1', '--json', '--out', out]
      const refused = await live([...words, '--set', `runtime.mlflow.uri=http://ada:${secrets.mlflow}@${at}`], { env })
      const alone = await live([...words, '--set', `runtime.mlflow.uri=http://${at}`], { env })
      const wrong = await live([...words, '--overwrite', '--set', `runtime.mlflow.uri=http://${at}`], {
        env: { ...env, MLFLOW_TRACKING_PASSWORD: 'guess' },
      })
      const right = await live([...words, '--overwrite', '--set', `runtime.mlflow.uri=http://${at}`], {
        env: { ...env, MLFLOW_TRACKING_PASSWORD: secrets.mlflow },
      })
      return { refused, alone, wrong, right }
    })
    expect(result.refused.code).toBe(2)
    expect(result.refused.stderr).toContain('MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment')
    expect(result.refused.stderr).toContain('http://***@127.0.0.1')
    expect(result.alone.stderr).toContain('it asks for a user and a password')
    expect(result.wrong.stderr).toContain('are refused')
    expect(result.right.code, result.right.stderr).toBe(0)
    expect(letIn).toBeGreaterThan(3)
    expect(leaks([...(await textsIn(out)), ...Object.values(result).flatMap(said)])).toEqual([])
  })

  test('are hidden in texts of any kind', () => {
    expect(masked('GET https://ada:x@y@host/a@b and ftp://u@h')).toBe('GET https://***@host/a@b and ftp://***@h')
    expect(masked('mail ada@host, http://host/@x')).toBe('mail ada@host, http://host/@x')
    expect(withoutSecrets({ HF_TOKEN: 'abcdef', HOME: '/root', SHORT_TOKEN: 'abc' })('abcdef abc /root')).toBe('*** abc /root')
  })
})

describe('names that a terminal would obey', () => {
  test('are shown as codes', () => {
    expect(shownText('a\u001b[2Jb\r\n\tc\u202etxt.exe\u009b')).toBe('a\\x1b[2Jb\\x0d\n\tc\\u202etxt.exe\\u009b')
    expect(shownName('a\nb\tc')).toBe('a\\nb\\tc')
    expect(JSON.parse(shownText(JSON.stringify('\u0007\u009b\u202e\u2028')))).toBe('\u0007\u009b\u202e\u2028')
  })
})
