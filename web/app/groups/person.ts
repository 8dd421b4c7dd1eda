/** The way in, and one's own account. */
export { Account } from '../screens/account';
export { Forgot, SessionOver, SignIn, SignUp, Waiting, Welcome } from '../screens/gate';
