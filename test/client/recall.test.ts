/** A gateway that does not answer: away, or started anew? */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Recall } from '../../src/client/recall.js';
import { FakeClock } from '../support/clock.js';

const QUESTION = Uint8Array.from({ length: 40 }, (_, i) => i + 1);
const OTHER = Uint8Array.from({ length: 40 }, (_, i) => i + 2);
/** To the question: the same initiator's SPI. */
const ANSWER = Uint8Array.from({ length: 60 }, (_, i) => (i < 8 ? i + 1 : 99));

function scene() {
  const clock = new FakeClock();
  const said: string[] = [];
  const recall = new Recall(
    {
      makeQuestion: () => QUESTION,
      send: question => {
        assert.equal(question, QUESTION);
        said.push('question');
      },
      askAgain: () => void said.push('ask again'),
      forgotten: () => void said.push('forgotten'),
    },
    clock,
  );
  return { clock, said, recall, count: (what: string) => said.filter(each => each === what).length };
}

test('a gateway that answers strangers but not us has forgotten us', async () => {
  const { clock, said, recall } = scene();
  recall.wait();
  await clock.pass(499);
  assert.equal(said, []);
  await clock.pass(21);
  assert.equal(said, ['question']);
  assert.not.ok(recall.receive(OTHER), 'for the tunnel');
  assert.ok(recall.receive(ANSWER));
  assert.equal(said, ['question', 'ask again']);
  assert.ok(recall.receive(ANSWER), 'doubled');
  await clock.pass(290);
  assert.equal(said, ['question', 'ask again']);
  await clock.pass(60);
  assert.equal(said, ['question', 'ask again', 'forgotten']);
  recall.end();
  assert.is(clock.pending, 0);
});

test('one whose line was away answers our request as well', async () => {
  const { clock, said, recall } = scene();
  recall.wait();
  await clock.pass(510);
  recall.receive(ANSWER);
  recall.end();
  await clock.pass(60_000);
  assert.equal(said, ['question', 'ask again']);
  assert.ok(recall.receive(ANSWER), 'late, and of no meaning');
  assert.equal(said, ['question', 'ask again']);
  assert.is(clock.pending, 0);
});

test('a gateway that is away is asked ever more seldom, for as long as it takes', async () => {
  const { clock, recall, count } = scene();
  for (let at = 0; at < 600; at++) {
    recall.wait();
    await clock.pass(100);
  }
  const first = count('question');
  assert.ok(first > 10 && first < 30, `${first} in a minute`);
  await clock.pass(600_000);
  const rest = count('question') - first;
  assert.ok(rest >= 70 && rest <= 80, `${rest} in ten minutes`);
  recall.receive(ANSWER);
  assert.is(count('ask again'), 1);
});

test('the answer may be to an earlier question, where answers are known to take longer than what is between two', async () => {
  const { clock, said, recall } = scene();
  recall.wait();
  recall.end(600);
  recall.wait();
  await clock.pass(1100);
  assert.equal(said, ['question', 'question']);
  recall.receive(ANSWER);
  await clock.pass(1400);
  assert.not.ok(said.includes('forgotten'));
  await clock.pass(150);
  assert.ok(said.includes('forgotten'));
  recall.end();
});

test('on a slow line the gateway is asked the same question for as long as it keeps what that began', async () => {
  const clock = new FakeClock();
  let made = 0;
  const sent = new Set<Uint8Array>();
  const recall = new Recall(
    {
      makeQuestion: () => Uint8Array.from({ length: 40 }, () => ++made),
      send: question => void sent.add(question),
      askAgain: () => assert.unreachable(),
      forgotten: () => assert.unreachable(),
    },
    clock,
  );
  for (let at = 0; at < 100; at++) {
    recall.wait();
    await clock.pass(580);
    recall.end(580);
    await clock.pass(20);
  }
  assert.is(sent.size, 2);
});

test('while the policy does not heed it, it is asked again', async () => {
  const { clock, recall, count } = scene();
  recall.wait();
  for (let at = 0; at < 100; at++) {
    await clock.pass(100);
    recall.receive(ANSWER);
  }
  assert.ok(count('forgotten') > 3);
});

test.run();
