package wire

// DeathPipeEnv is set in the environment of a plugin whose standard input is a
// pipe that closes when its host dies.
const DeathPipeEnv = "STOWAGE_DEATH_PIPE"
