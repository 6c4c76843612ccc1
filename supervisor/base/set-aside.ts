/** The embedded broker's queue of messages that their own queue could not deliver or send on. */
export const SET_ASIDE = 'warren.set-aside'
