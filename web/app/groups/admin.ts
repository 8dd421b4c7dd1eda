/** What it runs on, and who may: servers, users, the audit log. */
export { Audit } from '../screens/audit';
export { Servers, ServerScreen } from '../screens/servers';
export { Users, UserScreen } from '../screens/users';
