import flash.events.Event;
import flash.events.IOErrorEvent;
import flash.events.ProgressEvent;
import flash.events.SecurityErrorEvent;
import flash.external.ExternalInterface;
import flash.net.Socket;
import flash.system.Security;
import flash.utils.ByteArray;
import haxe.crypto.Base64;
import haxe.io.Bytes;

/**
	A TCP connection for the page that shows this movie: bytes in, bytes out, in base64. What the bytes mean is the business
	of `lib/client/flash/`.

	The movie never calls the page, since players do that by `eval`, which policies forbid, and swallow what a callback
	throws: it keeps what comes, and the page takes it. The page's calls come in through the names below, on the movie's element.

	There is no `Security.allowDomain`: only pages of the host that the movie was loaded from may use it. A policy file lets in
	movies by that host, so a movie that anybody could use would let anybody in.
**/
class NestwirePipe {
	/** Bytes that one call takes at most: encoding holds the page up. Divisible by three, so that base64 needs no padding. */
	static inline var TAKE = 49152;

	/**
		Bytes that wait for the page at most: the largest message that it takes, and what surrounds it. More than that end the
		connection, since a page in the background takes little, and a player reads on whatever its movie does.
	**/
	static inline var MAX_WAITING = 65 * 1024 * 1024;

	static var socket:Socket = null;
	/** What has come, of which the first bytes may have been taken already. **/
	static var received = new ByteArray();
	/** How many of them. **/
	static var taken = 0;
	/** The first digit of what `nestwireTake` gives: 0 connecting, 1 open, 2 closed, 3 failed. **/
	static var state = 0;
	static var problem = "";

	static function main() {
		if (!ExternalInterface.available) return;
		ExternalInterface.addCallback("nestwireConnect", connect);
		ExternalInterface.addCallback("nestwireSend", send);
		ExternalInterface.addCallback("nestwireTake", take);
		ExternalInterface.addCallback("nestwireClose", close);
	}

	/** Connects, once in the life of the movie. The policy file is asked for at the very port, and not at 843 first. **/
	static function connect(host:String, port:Int):Void {
		if (socket != null) return;
		Security.loadPolicyFile("xmlsocket://" + host + ":" + port);
		socket = new Socket();
		socket.addEventListener(Event.CONNECT, function(_) if (state == 0) state = 1);
		socket.addEventListener(Event.CLOSE, function(_) end(2, ""));
		socket.addEventListener(IOErrorEvent.IO_ERROR, function(event) end(3, event.text));
		socket.addEventListener(SecurityErrorEvent.SECURITY_ERROR, function(event) end(3, event.text));
		socket.addEventListener(ProgressEvent.SOCKET_DATA, function(_) receive());
		try {
			socket.connect(host, port);
		} catch (error:Dynamic) {
			end(3, Std.string(error));
		}
	}

	/** Sends bytes. Returns whether they were taken. **/
	static function send(base64:String):Bool {
		if (state != 1) return false;
		try {
			socket.writeBytes(Base64.decode(base64).getData());
			socket.flush();
			return true;
		} catch (error:Dynamic) {
			end(3, Std.string(error));
			return false;
		}
	}

	/** What has come: a digit of the state, and bytes in base64; when there are none and it has failed, why. **/
	static function take():String {
		var waiting:Int = received.length - taken;
		if (waiting == 0) return state + problem;
		var count = waiting > TAKE ? TAKE : waiting;
		var part = new ByteArray();
		part.writeBytes(received, taken, count);
		taken += count;
		// what is left is copied when it is the smaller part, so that a byte is copied once or twice and not once a call
		if (taken >= waiting - count) {
			var rest = new ByteArray();
			if (waiting > count) rest.writeBytes(received, taken);
			received = rest;
			taken = 0;
		}
		// an end is told when all that came before it is taken
		return (state > 1 ? 1 : state) + Base64.encode(Bytes.ofData(part));
	}

	static function receive():Void {
		if (state > 1) return;
		var coming:Int = socket.bytesAvailable;
		if (received.length - taken + coming <= MAX_WAITING) {
			socket.readBytes(received, received.length);
			return;
		}
		end(3, "the page has left " + MAX_WAITING + " bytes waiting");
		socket.close();
	}

	static function close():Void {
		if (socket != null && socket.connected) socket.close();
		end(2, "");
	}

	static function end(how:Int, why:String):Void {
		if (state > 1) return;
		state = how;
		problem = why;
	}
}
