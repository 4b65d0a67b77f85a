/** What is checked without running anything: types, format and style, beside each other. What fails says so when it ends. */
import { spawn } from 'node:child_process'

const scripts = ['typecheck', 'formatted', 'styled'] as const

const ended = (script: string): Promise<boolean> =>
  new Promise((done) => {
    const child = spawn('npm', ['run', '--silent', script], { stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' })
    let said = ''
    for (const from of [child.stdout, child.stderr])
      from.on('data', (d: Buffer) => {
        said += d.toString()
      })
    child.on('close', (code) => {
      process.stdout.write(code === 0 ? `${script}: ok\n` : `${script}:\n${said}\n`)
      done(code === 0)
    })
  })

const all = await Promise.all(scripts.map(ended))
process.exitCode = all.every((ok) => ok) ? 0 : 1
