/**
 * Bundles the notebook's widgets into ../jupyter_uws/widgets/static: of each an ES module, and the style sheet of all.
 * The modules are loaded from text, so each holds all it needs; reads what tsc has put into lib/.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';

import { rspack } from '@rspack/core';

const output = resolve('../jupyter_uws/widgets/static');
const compiler = rspack({
  mode: 'production',
  target: ['web', 'es2021'],
  entry: { jobs: './lib/widgets/jobs.js', search: './lib/widgets/search.js' },
  output: { path: output, filename: '[name].js', module: true, library: { type: 'module' }, asyncChunks: false },
  resolve: {
    alias: { '@jupyterlab/ui-components$': resolve('lib/widgets/uicomponents.js') }
  },
  module: {
    parser: { javascript: { dynamicImportMode: 'eager' } },
    rules: [{ test: /\.svg$/, type: 'asset/source' }]
  },
  optimization: { splitChunks: false, runtimeChunk: false },
  performance: { hints: false },
  devtool: false
});

function done(error, stats) {
  if (error || stats.hasErrors()) {
    process.stderr.write(`${error ?? stats.toString({ all: false, errors: true })}\n`);
    process.exitCode = 2;
    return;
  }
  const sheets = 'jobs jobpage provenance jobform words search results viewers widgets elsewhere'.split(' ');
  const styles = sheets.map(name => readFileSync(`style/${name}.css`, 'utf8'));
  writeFileSync(`${output}/widgets.css`, styles.join('\n'));
}

rmSync(output, { recursive: true, force: true });
if (process.argv.includes('--watch')) {
  compiler.watch({}, done);
} else {
  compiler.run(done);
}
