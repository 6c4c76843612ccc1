// Which variables an app's process gets, and which of Warren's own it reads. Used by ecosystem.config.cjs as well, so
// it imports nothing.

/** The variable that tells a process, and whoever finds it in pm2's list, which of Warren's apps it is. */
export const APP_VARIABLE = 'WARREN_APP'

/** What every process reads of the environment. `WARREN_DEV` and `WATCH_POLL` come from the command line. */
const ALL = [
  'LOG_LEVEL',
  'DATA_DIR',
  'SHUTDOWN_TIMEOUT',
  'WARREN_DEV',
  'WATCH_POLL',
  'NODE_ENV',
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'UV_THREADPOOL_SIZE',
  'TZ',
]
const CLIENT = [...ALL, 'AMQP_URL', 'BROKER_PORT', 'DATABASE_URL']
const FRONT_DOOR = [...CLIENT, 'PORT', 'HOST', 'API_KEYS']
const AUTOSCALER = [...CLIENT, 'MAX_INSTANCES']
const BROKER = [...ALL, 'BROKER_PORT', 'BROKER_CONNECTIONS']

const OWN = new Set([...FRONT_DOOR, ...AUTOSCALER, ...BROKER])

/** Apps that run nothing of the user's: they get what the system and Warren need, and no secret. */
const CONFINED = new Set(['broker', 'compiler', 'daemon'])
const SYSTEM =
  /^(PATH|HOME|USER|LOGNAME|SHELL|HOSTNAME|LANG|LC_.*|TZ|TMPDIR|TMP|TEMP|NODE_(?!AUTH_TOKEN).*|UV_.*|LD_.*|MALLOC_.*|PM2_.*|SYSTEMROOT|USERPROFILE|APPDATA|PATHEXT)$/i

/** Set by npm for its scripts; an app gets the same environment whether npm starts it or pm2 by hand. */
const NPM = /^npm_/i

/** What differs from one shell, terminal or login to the next, and means nothing to a service; `*`: any ending. */
const NOISE_NAMES = [
  // The shell
  '_ PWD OLDPWD SHLVL SHELL PATH MANPATH INFOPATH PS1 PS2 PS4 PROMPT PROMPT_COMMAND LS_COLORS LESS LESSOPEN LESSCLOSE',
  'HISTFILE HISTSIZE HISTFILESIZE HISTCONTROL HISTTIMEFORMAT PAGER EDITOR VISUAL HOSTTYPE OSTYPE MACHTYPE',
  // The login
  'USER LOGNAME MAIL HOSTNAME LANG LANGUAGE LC_* SSH_* GPG_* SUDO_* XDG_* DBUS_* XAUTHORITY SESSION_MANAGER',
  'INVOCATION_ID JOURNAL_STREAM SYSTEMD_* NOTIFY_SOCKET SECURITYSESSIONID LaunchInstanceID Apple_* __CF*',
  // The terminal and the desktop
  'TERM TERM_PROGRAM* TERM_SESSION_ID TERMINFO* COLORTERM COLUMNS LINES COLOR FORCE_COLOR NO_COLOR WINDOWID DISPLAY',
  'WAYLAND_* DESKTOP_SESSION DESKTOP_STARTUP_ID GNOME_* KDE_* GTK_* QT_* VTE_* KONSOLE_* KITTY_* WEZTERM_* ITERM_*',
  'ALACRITTY_* WT_* WSL_* WSLENV TMUX TMUX_* STY VSCODE_* CURSOR_TRACE_ID ELECTRON_* GIT_ASKPASS GIT_EDITOR GIT_PAGER',
  // What manages Node, and what runs the command
  'NVM_* FNM_* VOLTA_* ASDF_* COREPACK_* INIT_CWD NODE PM2_* pm_* unique_id TAP TAP_* WARREN_APP WARREN_STARTED*',
]
const NOISE = new RegExp(`^(${NOISE_NAMES.join(' ').replaceAll(' ', '|').replaceAll('*', '.*')})$`)

/** Whether an app's process gets a variable, from the environment or from `.env`. Keys are for the front door alone. */
export function mayHave(app: string, name: string): boolean {
  if (NPM.test(name)) return false
  if (CONFINED.has(app)) return SYSTEM.test(name) || reads(app, name) || name.startsWith('WARREN_')
  return name !== 'API_KEYS' || app === 'front-door'
}

/** What an app's process is started with. */
export function environmentOf(app: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(entries.filter(([name]) => mayHave(app, name)))
}

/** Whether a variable is one of Warren's own that the app reads. */
export function reads(app: string, name: string): boolean {
  const names = { 'front-door': FRONT_DOOR, autoscaler: AUTOSCALER, broker: BROKER, compiler: ALL, daemon: [] }
  return (Object.hasOwn(names, app) ? names[app as keyof typeof names] : CLIENT).includes(name)
}

/** Whether a variable is Warren's own, for whichever app. */
export function isOwn(name: string): boolean {
  return OWN.has(name)
}

/** Whether an app runs files of the user's, which may read any variable. */
export function runsUserCode(app: string): boolean {
  return !CONFINED.has(app)
}

/** Whether a variable says something of the shell that a command is typed in, rather than of the service. */
export function isNoise(name: string): boolean {
  return NOISE.test(name) || NPM.test(name)
}
