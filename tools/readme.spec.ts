import { describe, expect, it } from 'vitest';
import { differences, steps } from './readme.ts';

const readme = `
\`\`\`sh
git clone https://example.com/x && cd x
npm ci && npm start
\`\`\`
Then
\`\`\`sh
curl -s http://127.0.0.1:8080/a
\`\`\`
\`\`\`json
{"hits": [{"id": "cat", "score": 0.5}]}
\`\`\`
\`\`\`sh
docker run
\`\`\`
`;

it('reads the commands up to the last promised answer', () => {
  expect(steps(readme.replace('git clone https://example.com/x && cd x', 'git clone https://example.com/x'))).toEqual([
    { commands: 'npm ci && npm start' },
    { commands: 'curl -s http://127.0.0.1:8080/a', answer: { hits: [{ id: 'cat', score: 0.5 }] } },
  ]);
});

it('leaves out how the repository is fetched', () => expect(steps(readme)[0].commands).toBe('npm ci && npm start'));

describe('differences', () => {
  const promised = { hits: [{ id: 'cat', score: 0.5 }], next: '' };

  it.each([
    ['the same', promised, []],
    ['a number that a processor rounds otherwise', { ...promised, hits: [{ id: 'cat', score: 0.505 }] }, []],
    ['another text', { ...promised, next: 'abc' }, ['/next: expected "" and got "abc"']],
    ['another number', { ...promised, hits: [{ id: 'cat', score: 0.6 }] }, ['/hits/0/score: expected 0.5 and got 0.6']],
    ['another item', { ...promised, hits: [{ id: 'dog', score: 0.5 }] }, ['/hits/0/id: expected "cat" and got "dog"']],
    ['a field that is not promised', { ...promised, more: 1, hits: [{ id: 'cat', score: 0.5, part: 0 }] }, []],
    ['a field less', { hits: promised.hits }, ['/next: expected "" and got undefined']],
    ['one more element', { ...promised, hits: [...promised.hits, 'dog'] }, ['/hits/1: expected undefined and got "dog"']],
    ['no element', { ...promised, hits: [] }, ['/hits/0: expected {"id":"cat","score":0.5} and got undefined']],
    ['no list', { ...promised, hits: {} }, ['/hits: expected [{"id":"cat","score":0.5}] and got {}']],
  ])('%s', (_, answer, expected) => expect(differences(promised, answer)).toEqual(expected));

  it('none from any text where … is promised', () => {
    expect(differences({ next: '…' }, { next: 'abc' })).toEqual([]);
    expect(differences({ next: '…' }, {})).toHaveLength(1);
  });
});
