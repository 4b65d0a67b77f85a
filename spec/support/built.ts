/**
 * This checkout compiled as `npm run build` compiles it, but for checking types and for what it bundles: programs that tests start begin
 * in half the time that tsx takes, and are what users have. It is made once for the sources as they are, beside the packages.
 */
import { createHash, randomUUID } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { root } from '../rooms/rooms.ts'

const builds = join(root, 'node_modules/.cache/dinograph-built')
const settings = join(root, 'tsconfig.build.json')

let read: ts.ParsedCommandLine | undefined

const parsed = (): ts.ParsedCommandLine => {
  read ??= ts.getParsedCommandLineOfConfigFile(settings, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined })
  if (read === undefined) throw new Error(`${settings} cannot be read`)
  return read
}

/** Where a source lies below the root: in which folder. */
const folderOf = (path: string): string => path.split('/')[0]

/** What is compiled, by the settings of the build: folders below the root, examples too, and the face. */
const folders = (): ReadonlyArray<string> => [...new Set(parsed().fileNames.map((f) => folderOf(f.slice(root.length)))), 'examples']

const filesOf = (folder: string): ReadonlyArray<string> =>
  folder.endsWith('.ts')
    ? [folder]
    : readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((f) => f.isFile())
        .map((f) => relative(root, join(f.parentPath, f.name)))

const compiled = (path: string, options: ts.CompilerOptions): string =>
  ts.transpileModule(readFileSync(join(root, path), 'utf8'), { fileName: join(root, path), compilerOptions: options }).outputText

const put = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const build = (files: ReadonlyArray<string>, into: string): void => {
  // a file by itself does not know that its package is of modules
  const options = { ...parsed().options, declaration: false, sourceMap: false, module: ts.ModuleKind.ESNext }
  for (const f of files) {
    const to = join(into, f.startsWith('examples/') ? f : join('dist', f))
    if (/(?<!\.d)\.ts$/.test(f)) put(to.replace(/ts$/, 'js'), compiled(f, options))
    else cpSync(join(root, f), to, { recursive: true })
  }
  cpSync(join(root, 'package.json'), join(into, 'package.json'))
  // examples read images that packages ship
  symlinkSync(join(root, 'node_modules'), join(into, 'node_modules'))
}

const day = 24 * 3600 * 1000

/** Removes what was built of other sources, unless tests may still be running it. */
const prune = (): void => {
  for (const name of existsSync(builds) ? readdirSync(builds) : [])
    if (Date.now() - statSync(join(builds, name)).mtimeMs > day) rmSync(join(builds, name), { recursive: true, force: true })
}

let found: string | undefined

/** The folder of the compiled checkout, as an installed package is laid out: `dist`, `examples`, `package.json`. */
const built = (): string => {
  if (found !== undefined) return found
  const files = folders().flatMap(filesOf)
  const stamp = [settings, ...files.map((f) => join(root, f))].map((f) => {
    const { size, mtimeMs } = statSync(f)
    return `${f} ${size} ${mtimeMs}`
  })
  const folder = join(builds, createHash('sha256').update(stamp.join('\n')).digest('hex').slice(0, 16))
  if (!existsSync(folder)) {
    prune()
    const temporary = `${folder}.${randomUUID()}`
    build(files, temporary)
    try {
      renameSync(temporary, folder)
    } catch (e) {
      // another process was first
      rmSync(temporary, { recursive: true })
      if (!existsSync(folder)) throw e
    }
  }
  found = folder
  return folder
}

/** A program of this checkout, compiled, by the path of its source from the root: `train/cli/dinograph.ts`, `examples/dinov1.ts`. */
export const program = (path: string): string => join(built(), folderOf(path) === 'examples' ? '.' : 'dist', path.replace(/\.ts$/, '.js'))

/**
 * What Node is given to start a program, the first of the words: one of this checkout compiled. By tsx where it is another, or reads a
 * program that imports this package, which is the checkout itself then.
 */
export const started = ([path, ...words]: ReadonlyArray<string>): ReadonlyArray<string> =>
  folders().includes(folderOf(path)) && !words.some((w) => w.endsWith('.ts'))
    ? [program(path), ...words]
    : ['--import', 'tsx', path, ...words]
