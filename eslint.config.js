import { readFileSync } from 'node:fs'
import importX from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'
import { circle } from './spec/rooms/circle.js'

/** Who may import from whom, innermost rooms by their paths. `spec` may import anything; a room may always import itself. */
const order = JSON.parse(readFileSync(new URL('spec/rooms/order.json', import.meta.url), 'utf8'))

const rooms = [...Object.keys(order), 'spec']

const isAllowed = (room, other) => other === room || order[room].some((allowed) => other === allowed || other.startsWith(`${allowed}/`))

const zones = Object.keys(order).map((room) => ({
  target: `./${room}`,
  from: rooms.filter((other) => !isAllowed(room, other)).map((other) => `./${other}`),
  message: `${room} may import from ${[room, ...order[room]].join(', ')} alone (README, architecture)`,
}))

/** The folders of rooms, each with a face (`index.ts`) for users. */
const folders = [...new Set(Object.keys(order).map((room) => room.split('/')[0]))].filter((folder) => folder !== 'examples')

/** Faces are for users: inside, files import the files that they use, so that nothing is loaded beside it and nothing runs in a circle. */
const faces = {
  target: folders.map((folder) => `./${folder}`),
  from: ['./index.ts', ...folders.map((folder) => `./${folder}/index.ts`)],
  message: 'rooms import files of rooms, not their faces',
}

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'docs/api/', 'runs/', '.cache/', '.lab/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX, rooms: { rules: { circle } } },
    settings: { 'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.js'] })] },
    rules: {
      'rooms/circle': 'error',
      // what the formatter leaves: comments too; texts and patterns are not cut
      'max-len': ['error', { code: 140, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true, ignoreUrls: true }],
      'import-x/no-restricted-paths': ['error', { zones: [...zones, faces] }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      // numbers in templates are the rule here, and unions are closed by their tags
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // arrays are indexed without a check of undefined (tsconfig), but a missing entry is still tested for at the edges
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
    },
  },
  {
    files: folders.map((folder) => `${folder}/**/*.ts`),
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['dinograph', 'dinograph/*'], message: 'rooms import files of rooms, not their faces' }] },
      ],
    },
  },
  {
    files: ['examples/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['../**'], message: 'examples import faces alone, as users do: dinograph, dinograph/ops …' }] },
      ],
    },
  },
  // the reference target and gpu.js's CPU mode compile kernels to JavaScript text
  {
    files: ['compiler/targets/javascript.ts'],
    rules: { '@typescript-eslint/no-implied-eval': 'off', '@typescript-eslint/no-unsafe-call': 'off' },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
)
