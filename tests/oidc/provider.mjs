// A real OpenID Connect provider (npm's oidc-provider) for the tests. Its accounts are read from a file at each
// question, so that a test can take a group away; $OIDC_TEST holds the rest as JSON.
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const test = JSON.parse(process.env.OIDC_TEST);
const resource = test.resource;

const provider = new Provider(test.issuer, {
  clients: [
    {
      client_id: 'uws',
      client_secret: test.secret,
      redirect_uris: [`${test.service}oauth_callback`],
      token_endpoint_auth_method: 'client_secret_basic'
    },
    {
      client_id: 'program',
      redirect_uris: ['https://program.example.org/callback'],
      token_endpoint_auth_method: 'none'
    }
  ],
  jwks: { keys: test.keys },
  cookies: { keys: ['of the tests'] },
  scopes: ['openid', 'profile'],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  findAccount: (_ctx, id) => {
    const account = JSON.parse(readFileSync(test.accounts, 'utf8'))[id];
    return account && { accountId: id, claims: () => ({ sub: id, ...account }) };
  },
  extraTokenClaims: (_ctx, token) => JSON.parse(readFileSync(test.accounts, 'utf8'))[token.accountId],
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: 'openid', audience: resource, accessTokenFormat: 'jwt' }),
      useGrantedResource: () => true
    }
  },
  ttl: { AccessToken: 600, IdToken: 600, Session: 600, Grant: 600, Interaction: 600 },
  // nobody is asked whether a client may know who one is
  loadExistingGrant: async ctx => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId
    });
    grant.addOIDCScope('openid profile');
    grant.addResourceScope(resource, 'openid');
    await grant.save();
    return grant;
  }
});
provider.use(async (ctx, next) => {
  await next();
  process.stdout.write(`${ctx.method} ${ctx.path} ${ctx.status}\n`);
});
provider.listen(test.port, '127.0.0.1', () => process.stdout.write('ready\n'));
