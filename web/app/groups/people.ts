/** Who it is and may be: the way in, one's own account, and what admins look after. */
export { Account } from '../screens/account';
export { Audit } from '../screens/audit';
export { Forgot, SessionOver, SignIn, SignUp, Waiting, Welcome } from '../screens/gate';
export { Users, UserScreen } from '../screens/users';
