/** Runs the sample workflow and kills itself at one point: `crash.ts FOLDER POINT FAILS`. */
import { openSample } from './sample.ts';

const [, , folder = '', point = '', fails = ''] = process.argv;

const { operations } = await openSample(folder, {
  reached: (here) => {
    if (here === point) process.kill(process.pid, 'SIGKILL');
  },
});
const input = { folder, fails: fails === 'true' };
const { id } = await operations.start({ workflow: 'sample.make', input });
process.stdout.write(`${id}\n`);
const ended = await operations.outcome(id);
process.stdout.write(`${ended.state}\n`);
process.exit(0);
