import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { auth, Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { freePort, startApp } from './nextjs.js';
import { runSQL, startBillingFor, startUsergraph } from './usergraph.js';

const ada = { email: 'ada@example.com', password: 'usergraph-dev' };
// It is at example.com, which nobody reaches here.
const adasPicture = /example\.com|ERR_NAME_NOT_RESOLVED/;

// What the browser notes of a list whose filter the API refuses: React's word for what has failed on the server, and the error.
const refusedFilter = /React error #419|an id is not acceptable/;

const name = page => page.getByRole('region', { name: 'Profile' }).getByRole('heading');
const seeName = (page, text) => name(page).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
const seeLive = page => page.getByText('Live', { exact: true }).waitFor();

async function saveName(page, text) {
  await page.getByLabel('Name').fill(text);
  await page.getByRole('button', { name: 'Save' }).click();
}

describe('examples/nextjs', () => {
  let server, app, browser, callback, allowed;
  before(async () => {
    const port = await freePort();
    [server, browser] = await Promise.all([startBillingFor(`http://127.0.0.1:${port}`), startBrowser()]);
    app = await startApp(server, port);
    // Where agents wait for their user's browser.
    callback = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><html lang="en"><title>agent</title><link rel="icon" href="data:,">');
    }).listen(0, '127.0.0.1');
    await once(callback, 'listening');
    callback.url = `http://127.0.0.1:${callback.address().port}`;
    allowed = [app.url, server.url, server.supabaseURL, callback.url];
  });
  after(() => {
    callback?.close();
    return Promise.all([app?.stop(), browser?.close(), server?.stop()]);
  });

  /** Opens a browser profile, in which a user is signed in if one is given. */
  async function open({ user, ...options } = {}) {
    const opened = await openPage(browser, allowed, options);
    opened.context.setDefaultTimeout(60_000);
    if (user) {
      await writeSession(opened.context, await authenticate('token?grant_type=password', user));
    }
    return opened;
  }

  /** Asks the stand-in for Supabase Auth for a session. */
  async function authenticate(path, body) {
    const answer = await fetch(`${server.supabaseURL}/auth/v1/${path}`, {
      method: 'POST',
      headers: { apikey: server.publishableKey, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200);
    return answer.json();
  }

  let users = 0;
  async function newUser(fullName) {
    const user = { email: `user${++users}@example.com`, password: 'correct horse battery' };
    await authenticate('signup', { ...user, data: { full_name: fullName } });
    return user;
  }

  /** Asks as a user, past all that the app may have in store. */
  async function ask(user, query, variables) {
    const { access_token: token } = await authenticate('token?grant_type=password', user);
    const answer = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    assert.equal(errors, undefined);
    return data;
  }
  const storedName = async user => (await ask(user, '{ me { fullName } }')).me.fullName;

  test('without a session, every page asks to sign in', async () => {
    const { page, close } = await open();
    for (const path of ['/', '/account', '/account/apollo', '/account/urql', '/account/fetch', '/todos', '/todos/urql', '/agents']) {
      await page.goto(app.url + path);
      await page.waitForURL('**/sign-in');
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    }
    await close();
  });

  test('signs up, shows the name on every page, signs out and in again', async () => {
    const { page, close } = await open();
    await page.goto(app.url);
    await page.getByRole('link', { name: 'Create an account' }).click();
    await page.getByLabel('Name').fill('Grace Hopper');
    await page.getByLabel('Email').fill('grace@example.com');
    await page.getByLabel('Password').fill('nanoseconds');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.waitForURL('**/account');
    await seeName(page, 'Grace Hopper');
    for (const [link, path] of [['Apollo', '/account/apollo'], ['urql', '/account/urql'], ['fetch', '/account/fetch'], ['Server', '/account']]) {
      await page.getByRole('link', { name: link }).click();
      await page.waitForURL(`**${path}`);
      await seeName(page, 'Grace Hopper');
    }
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You have been signed out.').waitFor();
    await page.getByLabel('Email').fill('grace@example.com');
    await page.getByLabel('Password').fill('seconds');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').filter({ hasText: 'Invalid login credentials' }).waitFor();
    assert.equal(await page.getByLabel('Email').inputValue(), 'grace@example.com');
    await page.getByLabel('Password').fill('nanoseconds');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await seeName(page, 'Grace Hopper');
    // The browser itself notes each answer that is not a success.
    await close(/status of 400/);
  });

  test('an anonymous user has no name until they give one', async () => {
    const { page, close } = await open();
    await page.goto(`${app.url}/sign-in`);
    await page.getByRole('button', { name: 'Continue without an account' }).click();
    await seeName(page, 'No name yet');
    await page.getByText('Anonymous user').waitFor();
    await saveName(page, 'Somebody');
    await seeName(page, 'Somebody');
    await close();
  });

  test('the first HTML has the name and no token', async () => {
    const { context, close } = await open({ user: await newUser('Mary Shelley') });
    const session = await readSession(context);
    for (const path of ['/account', '/account/apollo', '/account/urql']) {
      const answer = await context.request.get(app.url + path);
      const html = await answer.text();
      assert.match(html, /<h2>Mary Shelley<\/h2>/, path);
      for (const secret of [session.access_token.split('.')[2], session.refresh_token, 'eyJ', 'base64-']) {
        assert.ok(!html.includes(secret), `${path} has ${secret}`);
      }
      assert.match(answer.headers()['cache-control'], /no-store/, path);
    }
    await close();
  });

  for (const path of ['/account', '/account/apollo', '/account/urql', '/account/fetch']) {
    test(`${path} changes the name`, async () => {
      const user = await newUser('Before');
      const { page, close } = await open({ user });
      await page.goto(app.url + path);
      await seeName(page, 'Before');
      await saveName(page, 'After');
      await seeName(page, 'After');
      await page.getByText('Saved').waitFor();
      assert.equal(await storedName(user), 'After');
      await saveName(page, '');
      await seeName(page, 'No name yet');
      await page.getByText('Saved').waitFor();
      assert.equal(await storedName(user), null);
      await close();
    });
  }

  for (const [path, mutation] of [['/account', '/account'], ['/account/apollo', '/graphql'], ['/account/urql', '/graphql']]) {
    test(`${path} shows a change before it is confirmed, and takes it back if it fails`, async () => {
      const { page, close } = await open({ user: await newUser('Before') });
      await page.goto(app.url + path);
      await seeName(page, 'Before');
      let confirm;
      const confirmed = new Promise(resolve => (confirm = resolve));
      const isMutation = url => url.pathname === mutation;
      await page.route(isMutation, async route => {
        if (route.request().method() === 'POST') {
          await confirmed;
        }
        await route.fallback();
      });
      await saveName(page, 'After');
      await seeName(page, 'After');
      assert.equal(await page.getByText('Saved').count(), 0);
      confirm();
      await page.getByText('Saved').waitFor();
      await seeName(page, 'After');
      await page.unroute(isMutation);

      // More than the 200 characters that the API takes.
      await page.getByLabel('Name').evaluate(input => input.removeAttribute('maxlength'));
      await saveName(page, 'x'.repeat(201));
      await page.getByRole('alert').filter({ hasText: /200/ }).waitFor();
      await seeName(page, 'After');
      assert.equal(await page.getByLabel('Name').inputValue(), 'x'.repeat(201));
      await close();
    });
  }

  test("two tabs, Apollo and urql, show each other's changes", async () => {
    const { page: apollo, context, close } = await open({ user: await newUser('Both') });
    const urql = await context.newPage();
    await Promise.all([apollo.goto(`${app.url}/account/apollo`), urql.goto(`${app.url}/account/urql`)]);
    for (const page of [apollo, urql]) {
      await seeLive(page);
      await seeName(page, 'Both');
    }
    await saveName(apollo, 'From Apollo');
    await seeName(urql, 'From Apollo');
    assert.equal(await urql.getByLabel('Name').inputValue(), 'From Apollo');
    await saveName(urql, 'From urql');
    await seeName(apollo, 'From urql');
    await close();
  });

  for (const path of ['/account/apollo', '/account/urql']) {
    test(`${path} heals when the API calls the token expired`, async () => {
      const { page, context, close } = await open({ user: ada });
      await page.goto(app.url + path);
      await seeLive(page);
      // As if this browser's clock were slow: the session still says that the token is good.
      const answer = await context.request.post(`${server.url}/dev/token`, { data: { identity: 'expired' } });
      const { token } = await answer.json();
      await writeSession(context, { ...(await readSession(context)), access_token: token });
      const statuses = [];
      page.on('response', response => {
        if (response.url() === `${server.url}/graphql` && response.request().postData()?.includes('UpdateMe')) {
          statuses.push(response.status());
        }
      });
      await saveName(page, `Ada on ${path}`);
      await page.getByText('Saved').waitFor();
      await seeName(page, `Ada on ${path}`);
      assert.deepEqual(statuses, [401, 200]);
      assert.notEqual((await readSession(context)).access_token, token);
      assert.equal(await page.getByRole('alert').filter({ hasText: /./ }).count(), 0);
      await close(/status of 401/, adasPicture);
    });
  }

  const save = page => page.getByRole('button', { name: 'Save' }).click();
  for (const [path, action, act] of [
    ['/account', 'saves', save],
    ['/account', 'reloads', page => page.reload()],
    ['/account/apollo', 'saves', save],
    ['/account/urql', 'saves', save],
  ]) {
    test(`${path}: whose session ended elsewhere and who ${action} is signed out`, async () => {
      const user = await newUser('Here');
      const here = await open({ user });
      await here.page.goto(app.url + path);
      await seeName(here.page, 'Here');
      const elsewhere = await open({ user });
      await elsewhere.page.goto(`${app.url}/account/fetch`);
      await seeName(elsewhere.page, 'Here');
      await elsewhere.page.getByRole('button', { name: 'Sign out on all devices' }).click();
      await elsewhere.page.getByText('You have been signed out.').waitFor();
      await elsewhere.close();
      // A live page may hear of it before.
      const signedOut = here.page.getByText('You have been signed out.').waitFor();
      await Promise.race([act(here.page), signedOut]);
      await signedOut;
      assert.equal(await readSession(here.context), undefined);
      await here.close(/status of 40[13]/);
    });
  }

  test('signing out in one tab signs out the others, and the next user sees their own', async () => {
    const { page, context, close } = await open({ user: await newUser('First') });
    const other = await context.newPage();
    await Promise.all([page.goto(`${app.url}/account/apollo`), other.goto(`${app.url}/account/urql`)]);
    await Promise.all([seeName(page, 'First'), seeName(other, 'First')]);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL('**/sign-in?ended');
    await other.waitForURL('**/sign-in?ended');
    const second = await newUser('Second');
    await page.getByLabel('Email').fill(second.email);
    await page.getByLabel('Password').fill(second.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/account');
    for (const link of ['Apollo', 'urql']) {
      await page.getByRole('link', { name: link }).click();
      await page.waitForURL(`**/account/${link.toLowerCase()}`);
      await seeName(page, 'Second');
    }
    await close();
  });

  /** Gives a user the todos 1 to count, the newest last. */
  const seedTodos = async ({ email }, count) =>
    runSQL(server, `insert into public.todos (user_id, title, created_at)
      select u.id, 'todo ' || n, timestamptz '2026-11-01' + n * interval '1 hour'
      from auth.users u, generate_series(1, ${count}) n where u.email = '${email}'`);
  const newest = (from, to) => Array.from({ length: from - to + 1 }, (_, i) => `todo ${from - i}`);

  const row = (page, title) => page.getByRole('listitem').filter({ has: page.getByRole('checkbox', { name: title, exact: true }) });
  const box = (page, title) => page.getByRole('checkbox', { name: title, exact: true });
  const titles = page => page.getByRole('list', { name: 'Todos' }).getByRole('checkbox')
    .evaluateAll(boxes => boxes.map(box => box.labels[0].textContent));
  const focused = page => page.evaluate(() => document.activeElement.labels?.[0]?.textContent ?? document.activeElement.id);
  const writesOf = (page, mutation, handle) => page.route(`${server.url}/graphql`, (route, request) =>
    request.postData()?.includes(mutation) ? handle(route) : route.fallback());
  async function addTodo(page, title) {
    await page.getByLabel('New todo').fill(title);
    await page.getByRole('button', { name: 'Add' }).click();
  }

  for (const path of ['/todos', '/todos/urql']) {
    test(`${path} reads page by page, stays live and loses no page`, async () => {
      const user = await newUser('Lister');
      await seedTodos(user, 45);
      const { page, context, close } = await open({ user });
      const html = await (await context.request.get(app.url + path)).text();
      assert.ok(html.includes('todo 45') && !html.includes('eyJ'), 'the first HTML has the list and no token');
      await page.goto(app.url + path);
      await seeLive(page);
      await page.getByText('The newest 20').waitFor();
      assert.deepEqual(await titles(page), newest(45, 26));
      const more = page.getByRole('button', { name: 'Load more' });
      await more.click();
      await page.getByText('The newest 40').waitFor();
      assert.deepEqual(await titles(page), newest(45, 6));
      assert.equal(await focused(page), 'todo 25', 'the focus is on the first that is new');

      const { createTodo } = await ask(user, 'mutation { createTodo(input: { title: "from elsewhere" }) { id } }');
      await box(page, 'from elsewhere').waitFor();
      assert.deepEqual(await titles(page), ['from elsewhere', ...newest(45, 6)]);
      runSQL(server, `update public.todos set done = true where title = 'todo 15' and user_id = (select id from auth.users where email = '${user.email}')`);
      await page.getByRole('checkbox', { name: 'todo 15', exact: true, checked: true }).waitFor();
      runSQL(server, `delete from public.todos where title in ('todo 40', 'todo 10') and user_id = (select id from auth.users where email = '${user.email}')`);
      await box(page, 'todo 40').waitFor({ state: 'detached' });
      const left = newest(45, 6).filter(title => title !== 'todo 40' && title !== 'todo 10');
      assert.deepEqual(await titles(page), ['from elsewhere', ...left]);

      await more.click();
      await page.getByText('All 44').waitFor();
      assert.deepEqual(await titles(page), ['from elsewhere', ...left, ...newest(5, 1)]);
      assert.equal(await more.count(), 0);
      await ask(user, 'mutation($id: ID!) { deleteTodo(id: $id) { id } }', { id: createTodo.id });
      await page.getByText('All 43').waitFor();
      await close();
    });

    test(`${path} shows a change before it is confirmed, and takes it back if it fails`, async () => {
      const user = await newUser('Optimist');
      await seedTodos(user, 3);
      const { page, close } = await open({ user });
      await page.goto(app.url + path);
      await seeLive(page);

      // The answer comes late: the subscription has told of the new todo before, and it is there once.
      let release;
      const released = new Promise(resolve => (release = resolve));
      await writesOf(page, 'CreateTodo', async route => {
        const response = await route.fetch();
        await released;
        await route.fulfill({ response });
      });
      await addTodo(page, 'mine');
      await row(page, 'mine').and(page.locator('[aria-busy=true]')).waitFor();
      assert.ok(await box(page, 'mine').isDisabled());
      while (!(await ask(user, '{ todos { nodes { title } } }')).todos.nodes.some(({ title }) => title === 'mine'));
      runSQL(server, `update public.todos set done = true where title = 'todo 1' and user_id = (select id from auth.users where email = '${user.email}')`);
      await page.getByRole('checkbox', { name: 'todo 1', exact: true, checked: true }).waitFor();
      assert.equal(await row(page, 'mine').count(), 1);
      release();
      await row(page, 'mine').and(page.locator('[aria-busy=false]')).waitFor();
      assert.deepEqual(await titles(page), ['mine', ...newest(3, 1)]);
      await page.unroute(`${server.url}/graphql`);

      await box(page, 'mine').click();
      await page.getByRole('checkbox', { name: 'mine', exact: true, checked: true }).waitFor();
      await page.getByRole('button', { name: 'Delete todo 2' }).click();
      await box(page, 'todo 2').waitFor({ state: 'detached' });
      await page.getByRole('status').filter({ hasText: 'Deleted todo 2' }).waitFor();
      const stored = async () => (await ask(user, '{ todos { nodes { title done } } }')).todos.nodes.map(({ title, done }) => `${title} ${done}`);
      while ((await stored()).join() !== 'mine true,todo 3 false,todo 1 true');

      // Now nothing gets through, later than it is shown.
      for (const [mutation, act, shown, tookBack] of [
        ['CreateTodo', () => addTodo(page, 'lost'), () => box(page, 'lost').waitFor(), () => box(page, 'lost').waitFor({ state: 'detached' })],
        ['UpdateTodo', () => box(page, 'todo 3').click(), () => page.getByRole('checkbox', { name: 'todo 3', checked: true }).waitFor(),
          () => page.getByRole('checkbox', { name: 'todo 3', checked: false }).waitFor()],
        ['DeleteTodo', () => page.getByRole('button', { name: 'Delete todo 3' }).click(), () => box(page, 'todo 3').waitFor({ state: 'detached' }),
          () => box(page, 'todo 3').waitFor()],
      ]) {
        let fail;
        const failed = new Promise(resolve => (fail = resolve));
        await writesOf(page, mutation, async route => {
          await failed;
          await route.abort();
        });
        await act();
        await shown();
        fail();
        await page.getByRole('alert').filter({ hasText: /was not (added|changed|deleted): / }).waitFor();
        await tookBack();
        await page.unroute(`${server.url}/graphql`);
      }
      assert.equal(await page.getByLabel('New todo').inputValue(), 'lost', 'what was typed is not lost');
      // What the API refuses, in its own words.
      await page.getByLabel('New todo').evaluate(input => input.removeAttribute('maxlength'));
      await addTodo(page, 'x'.repeat(201));
      await page.getByRole('alert').filter({ hasText: /^“x+” was not added: ./ }).waitFor();
      assert.deepEqual(await titles(page), ['mine', 'todo 3', 'todo 1']);
      await close(/ERR_FAILED/);
    });

    test(`${path} begins empty, and has a list for each project`, async () => {
      const user = await newUser('Beginner');
      await ask(user, 'mutation { createProject(input: { name: "Moon" }) { id } }');
      const { page, close } = await open({ user });
      await page.goto(app.url + path);
      await page.getByText('Nothing to do yet.').waitFor();
      await addTodo(page, 'Breathe');
      await page.getByText('All 1').waitFor();
      await page.getByRole('link', { name: 'Moon' }).click();
      await page.getByText('Nothing to do here.').waitFor();
      assert.equal(await page.getByRole('combobox', { name: 'Project' }).locator('option:checked').textContent(), 'Moon');
      await addTodo(page, 'Land');
      await row(page, 'Land').getByText('Moon').waitFor();
      // One of another project does not come into this list.
      await page.getByRole('combobox', { name: 'Project' }).selectOption('None');
      await addTodo(page, 'Sleep');
      await page.getByRole('link', { name: 'No project' }).click();
      await box(page, 'Sleep').waitFor();
      assert.deepEqual(await titles(page), ['Sleep', 'Breathe']);
      await page.getByRole('link', { name: 'All', exact: true }).click();
      await row(page, 'Land').waitFor();
      assert.deepEqual(await titles(page), ['Sleep', 'Land', 'Breathe']);
      await page.goBack();
      await row(page, 'Land').waitFor({ state: 'detached' });
      await close();
    });

    test(`${path} is used by keyboard`, async () => {
      const user = await newUser('Typist');
      await seedTodos(user, 3);
      const { page, close } = await open({ user });
      await page.goto(app.url + path);
      await seeLive(page);
      const press = async (...keys) => {
        for (const key of keys) {
          await page.keyboard.press(key);
        }
      };
      await press('Tab', 'Enter');
      assert.equal(await focused(page), 'content', 'the first link skips to the content');
      while (!(await focused(page)).startsWith('New todo')) {
        await press('Tab');
      }
      await page.keyboard.type('typed');
      await press('Enter');
      await row(page, 'typed').and(page.locator('[aria-busy=false]')).waitFor();
      while ((await focused(page)) !== 'typed') {
        await press('Tab');
      }
      await press('Space');
      await page.getByRole('checkbox', { name: 'typed', checked: true }).waitFor();
      await press('Tab', 'Enter');
      await box(page, 'typed').waitFor({ state: 'detached' });
      await page.waitForFunction(() => document.activeElement.labels?.[0]?.textContent === 'todo 3');
      // Another page begins at its content.
      await page.getByRole('link', { name: 'Pricing' }).focus();
      await press('Enter');
      await page.getByRole('heading', { name: 'Pricing' }).waitFor();
      await page.waitForFunction(() => document.activeElement.id === 'content');
      await close();
    });
  }

  test('everybody sees the prices, and whoever is signed in the state of their subscription as it changes', async () => {
    const { page, close } = await open();
    await page.goto(`${app.url}/pricing`);
    await page.getByRole('list', { name: 'Prices of Hobby' }).getByText('$9.00 a month').waitFor();
    await page.getByRole('list', { name: 'Prices of Team' }).getByText('$290.00 a year').waitFor();
    await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
    const user = await newUser('Customer');
    await page.getByLabel('Email').fill(user.email);
    await page.getByLabel('Password').fill(user.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/pricing');
    await page.getByText('You have no subscription.').waitFor();
    await seeLive(page);
    const mine = `user_id = (select id from auth.users where email = '${user.email}')`;
    runSQL(server, `insert into public.subscriptions (id, user_id, status, price_id) select 'sub_' || id, id, 'trialing', 'price_team_month' from auth.users where email = '${user.email}'`);
    await page.getByText('Team is trialing').waitFor();
    await page.getByRole('listitem').filter({ hasText: '$29.00 a month' }).last().getByText('Your plan').waitFor();
    runSQL(server, `update public.subscriptions set status = 'past_due', cancel_at_period_end = true, price_id = 'price_team_year' where ${mine}`);
    await page.getByText('Team is past due, and ends with the period that is paid').waitFor();
    await page.getByRole('listitem').filter({ hasText: '$290.00 a year' }).last().getByText('Your plan').waitFor();
    assert.equal(await page.getByText('Your plan').count(), 1);
    await close();
  });

  test('a picture is shown and changed, and initials stand in for it', async () => {
    const user = await newUser('Ada Byron');
    const { page, close } = await open({ user });
    for (const path of ['/account', '/account/apollo', '/account/urql', '/account/fetch']) {
      await page.goto(app.url + path);
      await page.getByText('AB', { exact: true }).waitFor();
      const save = async picture => {
        await page.getByLabel('Picture').fill(picture);
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('Saved').waitFor();
      };
      await save(`${app.url}/icon.svg?${path}`);
      await page.locator(`img.avatar[src$="${path}"]`).waitFor();
      await save(`${app.url}/nowhere.png`);
      await page.getByText('AB', { exact: true }).waitFor();
      await save('');
      assert.equal(await page.getByLabel('Picture').inputValue(), '');
    }
    assert.equal((await ask(user, '{ me { avatarUrl } }')).me.avatarUrl, null);
    await close(/status of 404/);
  });

  /** An agent that keeps its tokens here, and to which the browser comes back. */
  async function newAgent(name) {
    const provider = new Agent(name, `${callback.url}/callback`);
    const options = { serverUrl: `${server.url}/mcp` };
    return {
      /** Begins to sign in, and returns the address for the user's browser. */
      async begin() {
        provider.given = undefined;
        assert.equal(await auth(provider, options), 'REDIRECT');
        return provider.asked.href;
      },
      /** Takes what the page has come back with. */
      async finish(page) {
        await page.waitForURL(`${callback.url}/callback?**`);
        const answer = new URL(page.url()).searchParams;
        assert.equal(answer.get('iss'), `${server.supabaseURL}/auth/v1`); // Gemini CLI demands it
        if (!answer.has('error')) {
          assert.equal(await auth(provider, { ...options, authorizationCode: answer.get('code') }), 'AUTHORIZED');
        }
        return answer;
      },
      async call(name, args) {
        const client = new Client({ name: 'test', version: '1' });
        await client.connect(new StreamableHTTPClientTransport(new URL(options.serverUrl), { authProvider: provider }));
        const { structuredContent } = await client.callTool({ name, arguments: args });
        await client.close();
        return structuredContent;
      },
    };
  }

  test('an agent asks, acts for the user who approves, and is refused once it is disconnected', async () => {
    const user = await newUser('Principal');
    await seedTodos(user, 2);
    const agent = await newAgent('Secretary <b>');
    const { page, close } = await open();
    await page.goto(await agent.begin());
    // Nobody is signed in yet: the question comes afterwards.
    await page.getByLabel('Email').fill(user.email);
    await page.getByLabel('Password').fill(user.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Secretary <b> wants to act for you' }).waitFor();
    await page.getByText(user.email).waitFor();
    await page.getByText(`${callback.url}/callback`).waitFor();
    await page.getByRole('button', { name: 'Approve' }).click();
    await agent.finish(page);
    assert.deepEqual((await agent.call('Todos', { first: 1 })).todos.nodes.map(({ title }) => title), ['todo 2']);

    // Who has approved is not asked again.
    await page.goto(await agent.begin());
    await agent.finish(page);

    await page.goto(`${app.url}/agents`);
    const disconnect = page.getByRole('button', { name: 'Disconnect Secretary <b>' });
    await disconnect.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Disconnect Secretary <b>?' }).waitFor();
    await page.keyboard.press('Escape');
    assert.ok(await disconnect.evaluate(button => button === document.activeElement), 'the focus comes back');
    assert.equal((await agent.call('WhoAmI', {})).me.fullName, 'Principal');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click();
    await page.getByText('Secretary <b> is disconnected.').waitFor();
    await page.getByText('No agent is connected.').waitFor();
    await assert.rejects(agent.call('WhoAmI', {}), UnauthorizedError);
    await close();
  });

  test('an agent is told that the user refuses', async () => {
    const agent = await newAgent('Nosy');
    const { page, close } = await open({ user: await newUser('Private') });
    const link = await agent.begin();
    await page.goto(link);
    await page.getByRole('button', { name: 'Refuse' }).click();
    assert.equal((await agent.finish(page)).get('error'), 'access_denied');
    await page.goto(`${app.url}/agents`);
    await page.getByText('No agent is connected.').waitFor();
    await page.goto(`${app.url}/oauth/consent?authorization_id=unknown`);
    await page.getByRole('heading', { name: 'This request cannot be answered' }).waitFor();
    await close();
  });

  test('what goes wrong is told with its code, and what helps', async () => {
    const user = await newUser('Unlucky');
    const { page, context, close } = await open({ user });
    for (const path of ['/todos', '/todos/urql']) {
      await page.goto(`${app.url}${path}?project=nonsense`);
      await page.getByText('Code BAD_USER_INPUT').waitFor();
      await page.getByRole('button', { name: 'Try again' }).waitFor();
    }
    await page.goto(`${app.url}/nowhere`);
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
    // Only pages of the app are gone to after signing in.
    for (const next of ['//evil.example/', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', 'http://']) {
      await page.goto(`${app.url}/sign-in?${new URLSearchParams({ next })}`);
      assert.equal(new URL(page.url()).origin, app.url, next);
      assert.ok(!page.url().includes('evil'), page.url());
    }
    // An error outside of all pages.
    await context.clearCookies();
    await page.addInitScript(() => {
      const { set } = Map.prototype;
      Map.prototype.set = function (key, value) {
        if (value?.callback && value.unsubscribe) { // what supabase-js keeps of who listens
          throw new Error('no listeners here');
        }
        return set.call(this, key, value);
      };
    });
    await page.goto(`${app.url}/sign-in`);
    await page.getByRole('heading', { name: 'Something went wrong' }).waitFor();
    await page.getByText('no listeners here').waitFor();
    await assertAccessible(page, ['minor', 'moderate', 'serious', 'critical']);
    await close(/status of 404|no listeners here/, refusedFilter);
  });

  test('a page that is being read has its heading already', async () => {
    const { page, context, close } = await open({ user: await newUser('Patient') });
    let release;
    // What a link prefetches comes at once; what the page asks for when it is clicked waits.
    await context.route(url => url.searchParams.has('_rsc'), async route => {
      const headers = route.request().headers();
      if (!headers['next-router-prefetch'] && !headers['next-router-segment-prefetch']) {
        await new Promise(resolve => { release = resolve; });
      }
      await route.continue();
    });
    for (const [from, link, heading] of [
      ['/pricing', 'Account', 'Account'],
      ['/account', 'Apollo', 'Account, by Apollo Client'],
      ['/account', 'urql', 'Account, by urql'],
      ['/account', 'fetch', 'Account, by fetch'],
      ['/pricing', 'Todos', 'Todos'],
      ['/todos', 'urql', 'Todos, by urql'],
      ['/agents', 'Pricing', 'Pricing'],
      ['/pricing', 'Agents', 'Agents'],
    ]) {
      await page.goto(app.url + from, { waitUntil: 'networkidle' });
      await page.getByRole('link', { name: link, exact: true }).click();
      await page.getByRole('region', { name: 'Loading' }).waitFor();
      const headings = () => page.getByRole('heading', { level: 1 }).allTextContents();
      assert.deepEqual(await headings(), [heading], `from ${from} to ${link}`);
      await assertAccessible(page, ['minor', 'moderate', 'serious', 'critical']);
      release();
      await page.getByRole('list', { name: 'Files' }).waitFor();
      assert.deepEqual(await headings(), [heading]);
    }
    await close();
  });

  for (const options of [
    { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
    { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  ]) {
    test(`accessible and not too wide: ${options.colorScheme}, ${options.viewport.width} pixels`, async () => {
      const { page, context, close } = await open(options);
      const check = async () => {
        await assertAccessible(page, ['minor', 'moderate', 'serious', 'critical']);
        const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(width <= room, `${page.url()} is ${width} pixels wide`);
      };
      for (const [path, seen] of [['/sign-in', 'Sign in'], ['/sign-in?new', 'Create an account'], ['/pricing', 'Hobby'], ['/nowhere', 'There is no such page']]) {
        await page.goto(app.url + path);
        await page.getByRole('heading', { name: seen }).waitFor();
        await check();
      }
      const long = 'Wolfeschlegelsteinhausenbergerdorff'.repeat(4);
      const user = await newUser(long);
      await seedTodos(user, 25);
      await ask(user, 'mutation($title: String!) { createTodo(input: { title: $title }) { id } }', { title: long });
      await writeSession(context, await authenticate('token?grant_type=password', user));
      for (const path of ['/account', '/account/apollo', '/account/urql', '/account/fetch']) {
        await page.goto(app.url + path);
        await name(page).waitFor();
        if (path === '/account/apollo' || path === '/account/urql') {
          await seeLive(page);
        }
        await check();
      }
      for (const path of ['/todos', '/todos/urql', '/todos?project=none', '/todos?project=1', '/pricing']) {
        await page.goto(app.url + path);
        await seeLive(page);
        await check();
      }
      await page.goto(`${app.url}/todos?project=nonsense`);
      await page.getByText('BAD_USER_INPUT').waitFor();
      await check();
      const agent = await newAgent(long);
      await page.goto(await agent.begin());
      await page.getByRole('button', { name: 'Approve' }).waitFor();
      await check();
      await page.getByRole('button', { name: 'Approve' }).click();
      await agent.finish(page);
      await page.goto(`${app.url}/agents`);
      const disconnect = page.getByRole('button', { name: /^Disconnect / });
      await disconnect.waitFor();
      await check();
      await disconnect.click();
      await page.getByRole('dialog').waitFor();
      await check();
      await close(/status of 404/, refusedFilter);
    });
  }

  // The last three: they restart the server.
  test('beside a server without these tables, the account works and lists say what to start', async () => {
    const ports = ['--port', new URL(server.url).port, '--auth-port', new URL(server.supabaseURL).port];
    await server.pause();
    const root = await startUsergraph(...ports);
    try {
      const { page, close } = await open({ user: ada });
      for (const path of ['/account', '/account/apollo', '/account/urql', '/account/fetch']) {
        await page.goto(app.url + path);
        await seeName(page, 'Ada Lovelace');
      }
      for (const path of ['/todos', '/todos/urql', '/pricing']) {
        await page.goto(app.url + path);
        await page.getByRole('alert').filter({ hasText: 'start it there with go run . dev' }).waitFor();
        await page.getByText('Code GRAPHQL_VALIDATION_FAILED').waitFor();
      }
      await close(adasPicture);
    } finally {
      await root.stop();
      await server.restart();
    }
  });

  test('live pages heal when the server restarts', async () => {
    const { page: apollo, context, close } = await open({ user: await newUser('Steady') });
    const urql = await context.newPage();
    await Promise.all([apollo.goto(`${app.url}/account/apollo`), urql.goto(`${app.url}/account/urql`)]);
    await Promise.all([seeLive(apollo), seeLive(urql)]);
    const away = [apollo, urql].map(page => page.getByText('Connecting…').waitFor());
    await server.restart();
    await Promise.all(away);
    await Promise.all([seeLive(apollo), seeLive(urql)]);
    await saveName(apollo, 'Still here');
    await Promise.all([seeName(apollo, 'Still here'), seeName(urql, 'Still here')]);
    // While nobody listens, the browser notes each attempt.
    await close(/ERR_CONNECTION_REFUSED|WebSocket connection/);
  });

  test('a page stays live while token after token expires', async () => {
    await server.restart('--token-life', '3s');
    const { page: apollo, context, close } = await open({ user: await newUser('Lasting') });
    const tokens = [];
    apollo.on('websocket', socket =>
      socket.on('framesent', ({ payload }) => {
        const message = JSON.parse(payload);
        if (message.type === 'connection_init') {
          tokens.push(message.payload.authorization);
        }
      }),
    );
    // A browser whose clock is slow takes no token for expired. The API closes the socket; the page comes back.
    await context.clock.setSystemTime(Date.now() - 60 * 60 * 1000);
    await apollo.goto(`${app.url}/account/apollo`);
    while (tokens.length < 3) {
      await seeLive(apollo);
      await apollo.getByText('Connecting…').waitFor();
    }
    assert.equal(new Set(tokens).size, tokens.length, 'each socket has a token of its own');
    await seeLive(apollo);
    const urql = await context.newPage();
    await urql.goto(`${app.url}/account/urql`);
    await seeLive(urql);
    await saveName(apollo, 'Everlasting');
    await seeName(urql, 'Everlasting');
    await close(/status of 401/);
  });
});

/** What an agent keeps. */
class Agent {
  constructor(name, redirectUrl) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = { client_name: name, redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none', scope: 'email' };
  }

  state() { return 'state of the test'; }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.given; }
  saveTokens(tokens) { this.given = tokens; }
  redirectToAuthorization(url) { this.asked = url; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
}

// The cookie of @supabase/ssr for a project whose host begins with 127. Long ones are cut into several.
const cookieName = 'sb-127-auth-token';
const ofSession = ({ name }) => name === cookieName || name.startsWith(`${cookieName}.`);

/** The session in the cookies of a profile, or undefined. */
async function readSession(context) {
  const cookies = (await context.cookies()).filter(ofSession).sort((a, b) => a.name.localeCompare(b.name));
  const value = cookies.map(({ value }) => value).join('');
  return value ? JSON.parse(Buffer.from(value.slice('base64-'.length), 'base64url')) : undefined;
}

async function writeSession(context, session) {
  const value = `base64-${Buffer.from(JSON.stringify(session)).toString('base64url')}`;
  for (const { name } of (await context.cookies()).filter(ofSession)) {
    await context.clearCookies({ name });
  }
  await context.addCookies([{ name: cookieName, value, domain: '127.0.0.1', path: '/', sameSite: 'Lax' }]);
}
