// Installs what the other scripts need: the packages of package-lock.json, and, where it can, the Debian packages
// of the laboratory. Uses only what comes with Node: on a fresh clone nothing else is there.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the laboratory and the tests use, by the Debian package that brings it. */
const LABORATORY = {
  iproute2: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'],
  'iputils-ping': ['/usr/bin/ping', '/bin/ping'],
  iperf3: ['/usr/bin/iperf3'],
  nftables: ['/usr/sbin/nft'],
  openssl: ['/usr/bin/openssl'],
  'strongswan-charon': [
    '/usr/lib/ipsec/charon',
    '/usr/libexec/ipsec/charon',
    '/usr/libexec/strongswan/charon',
  ],
  curl: ['/usr/bin/curl'],
  tcpdump: ['/usr/bin/tcpdump', '/usr/sbin/tcpdump'],
  'strongswan-swanctl': ['/usr/sbin/swanctl'],
  'libcharon-extra-plugins': ['/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so'],
  'libstrongswan-standard-plugins': ['/usr/lib/ipsec/plugins/libstrongswan-gcm.so'],
  'libstrongswan-extra-plugins': ['/usr/lib/ipsec/plugins/libstrongswan-chapoly.so'],
  // What boots the machines that tests run units on.
  systemd: ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'],
  dbus: ['/usr/bin/dbus-daemon'],
  // The shells, beside bash, that there are completions for.
  zsh: ['/usr/bin/zsh', '/bin/zsh'],
  fish: ['/usr/bin/fish'],
  // To run the executable of arm64 elsewhere: the emulator, and the libraries of Node.
  'qemu-user-static': ['/usr/bin/qemu-aarch64-static'],
  'libc6-arm64-cross': ['/usr/aarch64-linux-gnu/lib/libc.so.6'],
  'libstdc++6-arm64-cross': ['/usr/aarch64-linux-gnu/lib/libstdc++.so.6'],
  'libgcc-s1-arm64-cross': ['/usr/aarch64-linux-gnu/lib/libgcc_s.so.1'],
};

/** Installed on machines of the laboratory only, from a file: here it would take /etc/resolv.conf. */
const KEPT = 'systemd-resolved';
const KEPT_FOLDER = join(root, '.build', 'debian');
const KEPT_FILE = '/usr/lib/systemd/systemd-resolved';

/** Installing a package must not start its service: the laboratory starts the gateways, in its own namespaces. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';

/** `debian`: the Debian packages that are needed, all of them when absent. */
export function prepare(debian = Object.keys(LABORATORY)) {
  installNodePackages();
  installDebianPackages(debian);
  if (debian.includes('systemd')) fetchKept();
}

function installNodePackages() {
  if (nodePackagesAreCurrent()) return;
  const folder = join(root, 'node_modules');
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Error(`${folder} is a link, and what it leads to is not what package-lock.json says`);
  }
  console.log('installing the npm packages of package-lock.json');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit' });
}

/** Whether each package is there in the version of package-lock.json (optional ones are for other platforms). */
function nodePackagesAreCurrent() {
  const packages = file => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  try {
    const installed = packages('node_modules/.package-lock.json');
    return Object.entries(packages('package-lock.json')).every(
      ([path, { version, optional }]) =>
        path === '' || installed[path]?.version === version || (optional && installed[path] === undefined),
    );
  } catch {
    return false;
  }
}

function installDebianPackages(names) {
  const missing = names.filter(name => !LABORATORY[name].some(file => existsSync(file)));
  if (missing.length === 0) return;
  const needs = `the laboratory needs ${missing.join(' ')}`;
  if (!existsSync('/usr/bin/apt-get')) {
    console.log(`${needs}: please install what corresponds to these Debian packages`);
  } else if (process.getuid() !== 0) {
    console.log(
      `${needs}: run this again as root, or: apt-get install --no-install-recommends ${missing.join(' ')}`,
    );
  } else {
    console.log(`installing Debian packages: ${missing.join(' ')}`);
    try {
      withoutServices(() => {
        apt('update');
        apt('install', '--no-install-recommends', '-y', ...missing);
      });
    } catch (error) {
      console.log(`${needs}, which could not be installed: ${error.message}`);
    }
  }
}

/** Fetches what is only kept. Without it, the tests that use it are skipped. */
function fetchKept() {
  if (existsSync(KEPT_FILE) || process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  mkdirSync(KEPT_FOLDER, { recursive: true });
  if (readdirSync(KEPT_FOLDER).some(file => file.endsWith('.deb'))) return;
  const fetch = () => aptIn(KEPT_FOLDER, '-o', 'APT::Sandbox::User=root', 'download', KEPT);
  try {
    try {
      fetch();
    } catch {
      // The lists of packages are missing, or too old.
      apt('update');
      fetch();
    }
  } catch (error) {
    console.log(`the Debian package ${KEPT} could not be fetched: ${error.message}`);
  }
}

function apt(...args) {
  aptIn(root, ...args);
}

function aptIn(folder, ...args) {
  execFileSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function withoutServices(install) {
  const own = !existsSync(SERVICE_POLICY);
  if (own) writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    install();
  } finally {
    if (own) rmSync(SERVICE_POLICY, { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepare();
