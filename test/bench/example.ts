import type { Benchmark } from '../../src/bench/model.js';

/** A benchmark with everything that a renderer has to show. */
export const EXAMPLE: Benchmark = {
  title: 'vpnr bench example',
  method: ['Three rounds in turn, the median counts. '.repeat(4).trim()],
  machine: { cpu: 'Some CPU', cores: 2, memoryGB: 24, system: 'Linux 6.1', node: '20.19.0', load: 0.25 },
  sections: [
    {
      title: 'One TCP stream <up>',
      plots: [
        {
          title: 'Throughput around the failure',
          unit: 'Mbit/s',
          from: -1000,
          to: 3000,
          lines: [
            { label: 'cold', values: [40, 40, 0, 0, 40, null, null, null] },
            { label: 'a < b', values: [null, 50, 50, 50, 50, 50, null, 50] },
          ],
          span: { label: 'before', from: 0, to: 2500 },
        },
      ],
      charts: [
        {
          title: 'throughput',
          unit: 'Mbit/s',
          better: 'more',
          bars: [
            { label: 'vpnr', value: 2700, min: 2600, max: 2800, kind: 'ours' },
            { label: 'openvpn & co', value: 900, kind: 'peer' },
            { label: 'veth', value: 13_100, kind: 'limit' },
            { label: 'strongswan', value: null, kind: 'peer' },
          ],
        },
      ],
      table: {
        columns: [
          { title: 'system' },
          { title: 'Mbit/s', kind: 'figure' },
          { title: 'ratio', kind: 'figure', digits: 2, suffix: ' x' },
        ],
        rows: [
          ['vpnr', 2700, 1],
          ['openvpn', 900, 0.333],
          ['strongswan', null, null],
        ],
      },
    },
  ],
  goals: [
    { name: 'against OpenVPN', value: 3, unit: ' x', better: 'more', least: 3.5, aim: 4.5 },
    { name: 'ping added', value: 0.08, unit: ' ms', better: 'less', least: 0.15, aim: 0.1 },
    { name: 'against strongSwan', value: null, unit: ' x', better: 'more', least: 6, aim: 8 },
  ],
  notes: ['A note.'],
  skipped: [{ what: 'strongswan', why: 'not installed' }],
};
