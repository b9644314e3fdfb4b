// Dependencies point one way: commands -> client, gateway, relay -> ike, failover, dataplane -> packet -> ABI.
/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: ['^src/commands/', '^src/cli\\.ts$', '^test/', '^bench/', 'worker\\.ts$', '\\.d\\.ts$'],
      },
      to: {},
    },
    {
      name: 'pure-machines',
      comment: 'IKE and the failover policy see no I/O, no clock, no other part of the program',
      severity: 'error',
      from: { path: '^src/(ike|failover)/' },
      to: {
        path: [
          '^src/(?!ike/|failover/|address\\.ts|errors\\.ts|secret\\.ts)',
          '^(node:)?(fs|net|dgram|tls|dns|timers|child_process|os|worker_threads)(/|$)',
        ],
      },
    },
    {
      name: 'ike-without-failover',
      severity: 'error',
      from: { path: '^src/ike/' },
      to: { path: '^src/failover/' },
    },
    {
      name: 'failover-without-ike',
      severity: 'error',
      from: { path: '^src/failover/' },
      to: { path: '^src/ike/' },
    },
    {
      name: 'packet-is-the-bottom',
      severity: 'error',
      from: { path: '^src/packet/' },
      to: { path: '^src/(?!packet/|address\\.ts|assets\\.ts|errors\\.ts)' },
    },
    {
      name: 'system-calls-in-io-only',
      severity: 'error',
      from: { path: '^src/(?!io/)' },
      to: { path: 'koffi' },
    },
    {
      name: 'commands-on-top',
      severity: 'error',
      from: { path: '^src/(?!commands/|cli\\.ts|cli/)' },
      to: { path: '^src/(commands|cli)/' },
    },
    {
      name: 'source-without-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
