/** The layers of ARCHITECTURE.md, held by `npm run layers`. Type imports count. */
const clients = {
  'src/cli': ['cli-table3', 'picocolors'],
  'src/backends/sqlite': ['libsql'],
  'src/backends/redis': ['ioredis', 'redis'],
  'src/backends/postgres': ['pg', 'postgres'],
  'src/backends/etcd': ['@grpc/grpc-js'],
  'src/backends/dynamodb': ['@aws-sdk/client-dynamodb'],
  'src/backends/zookeeper': ['node-zookeeper-client'],
  'src/guards/mysql': ['mysql2'],
  'src/guards/s3': ['@aws-sdk/client-s3'],
  'src/telemetry/prometheus': ['prom-client'],
  'src/telemetry/opentelemetry': ['@opentelemetry/api'],
};

/** Each npm package belongs to one folder. */
const clientRules = Object.entries(clients).map(([folder, packages]) => ({
  name: `npm-only-from-${folder.replaceAll('/', '-')}`,
  severity: 'error',
  comment: `only ${folder} may import ${packages.join(', ')}`,
  // The command line opens guards by their URLs.
  from: { path: '^src/', pathNot: [`^${folder}/`, '^src/guards/[^/]+/open\\.ts$'] },
  to: { path: `(^|/)node_modules/(${packages.join('|')})/|^(${packages.join('|')})$` },
}));

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'move what both need into a third file (a type that each needs of the other is no cycle at run time)',
      from: {},
      to: { circular: true },
    },
    {
      name: 'unresolvable',
      severity: 'error',
      comment: 'the import leads nowhere: mend the path, or declare the package',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'core-imports-core',
      severity: 'error',
      comment: 'core stands alone: hand in what it needs through a port',
      from: { path: '^src/core/' },
      to: { path: '^src/', pathNot: '^src/core/' },
    },
    {
      name: 'core-imports-node-only',
      severity: 'error',
      comment: 'core uses node: built-ins and no npm package',
      from: { path: '^src/core/' },
      to: { dependencyTypesNot: ['core'], pathNot: '^src/' },
    },
    {
      name: 'backend-imports-core',
      severity: 'error',
      comment: 'a backend knows core and itself: nothing else, and never another backend',
      from: { path: '^src/backends/([^/]+)/', pathNot: '^src/backends/redlock/' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/backends/$1/'] },
    },
    {
      name: 'redlock-imports-redis',
      severity: 'error',
      comment: 'the one exception: a node of Redlock is reached through the Redis drivers; its protocol knows neither',
      from: { path: '^src/backends/redlock/' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/backends/redlock/', '^src/backends/redis/'] },
    },
    {
      name: 'redlock-protocol-knows-no-redis',
      severity: 'error',
      comment: 'the simulator drives the protocol on nodes of its own: hand in what it needs through node.ts',
      from: { path: '^src/backends/redlock/(?:protocol/|backend\\.ts$|node\\.ts$|probe\\.ts$)' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/backends/redlock/(?!redis/|index\\.ts$|url\\.ts$)'] },
    },
    {
      name: 'testkit-imports-core-and-memory',
      severity: 'error',
      comment: 'the testkit is handed the backend under test; only the memory store is its own tool',
      from: { path: '^src/testkit/', pathNot: '^src/testkit/sim/quorum/' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/backends/memory/', '^src/testkit/'] },
    },
    {
      name: 'quorum-simulator-imports-redlock-protocol',
      severity: 'error',
      comment: 'it drives the real protocol on nodes of its own; what speaks to Redis is none of its business',
      from: { path: '^src/testkit/sim/quorum/' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/core/',
          '^src/backends/memory/',
          '^src/testkit/',
          '^src/backends/redlock/(?:protocol/|backend\\.ts$|node\\.ts$|options\\.ts$)',
        ],
      },
    },
    {
      name: 'features-import-core',
      severity: 'error',
      comment: 'a feature builds on core alone',
      from: { path: '^src/(?!core/|backends/|testkit/|telemetry/|cli/|doctor/|drill/|dashboard/|index\\.ts$)([^/]+)/' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/$1/'] },
    },
    {
      name: 'telemetry-reads-events',
      severity: 'error',
      comment: 'telemetry knows core, itself, and the events of features: never what they do',
      from: { path: '^src/telemetry/' },
      to: {
        path: '^src/',
        pathNot: ['^src/core/', '^src/telemetry/', '^src/(?:idempotency|idempotency/reconcile|outbox)/events\\.ts$'],
      },
    },
    {
      name: 'guard-imports-core',
      severity: 'error',
      comment: 'a guard knows core, what all guards share, and itself: never another guard',
      from: { path: '^src/guards/([^/]+)/' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/guards/[^/]+\\.ts$', '^src/guards/$1/'] },
    },
    {
      name: 'index-imports-core',
      severity: 'error',
      comment: 'the main entry stays free of stores: each has its own subpath',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/', pathNot: '^src/core/' },
    },
    {
      name: 'nothing-imports-cli',
      severity: 'error',
      comment: 'move what is shared below the CLI',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'only-declared-packages',
      severity: 'error',
      comment: 'declare the package in package.json; what is shipped may not use a devDependency',
      from: { path: '^src/' },
      // The tests need the optional peers installed.
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        pathNot:
          '(^|/)node_modules/(ioredis|redis|pg|@types/pg|postgres|@grpc/grpc-js|@aws-sdk/client-dynamodb|@aws-sdk/client-s3|mysql2|(?:@types/)?node-zookeeper-client|prom-client|@opentelemetry/api)/',
      },
    },
    ...clientRules,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    builtInModules: { add: ['sqlite', 'node:sqlite'] },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
