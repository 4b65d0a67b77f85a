import importX from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

/** Who may import from whom. `spec` may import anything; a room may always import itself. */
const directions = {
  core: [],
  ops: ['core'],
  models: ['core', 'ops'],
  losses: ['core', 'ops'],
  compiler: ['core', 'ops'],
  data: ['core', 'ops'],
  train: ['core', 'ops', 'models', 'losses', 'compiler', 'data'],
  examples: ['core', 'ops', 'models', 'losses', 'compiler', 'data', 'train'],
}

const rooms = [...Object.keys(directions), 'spec']

const zones = Object.entries(directions).map(([room, allowed]) => ({
  target: `./${room}`,
  from: rooms.filter((r) => r !== room && !allowed.includes(r)).map((r) => `./${r}`),
  message: `${room} may import from ${[room, ...allowed].join(', ')} alone (README, architecture)`,
}))

export default tseslint.config(
  { ignores: ['node_modules/', 'runs/', '.cache/', '.lab/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.js'] })] },
    rules: {
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': ['error', { zones }],
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
  // the reference target and gpu.js's CPU mode compile kernels to JavaScript text
  { files: ['compiler/targets/javascript.ts'], rules: { '@typescript-eslint/no-implied-eval': 'off', '@typescript-eslint/no-unsafe-call': 'off' } },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
)
